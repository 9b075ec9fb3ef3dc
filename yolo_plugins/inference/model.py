"""A config and weights as a detector that runs, and what it finds on pictures."""

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from yolo_plugins.checkpoints.classes import check_class_names, check_num_classes
from yolo_plugins.checkpoints.classes import class_names as names_in_checkpoint
from yolo_plugins.checkpoints.saved_config import config_from_checkpoint
from yolo_plugins.checkpoints.stated import stated
from yolo_plugins.checkpoints.transfer import fit
from yolo_plugins.checkpoints.weights import load_any_weights
from yolo_plugins.config import complete_config, input_hw, load_config, with_num_classes
from yolo_plugins.config_check import require
from yolo_plugins.datasets.collate import collate_detection
from yolo_plugins.datasets.detection_dataset import without_loading
from yolo_plugins.errors import UsageError
from yolo_plugins.export import ExportedNetwork
from yolo_plugins.files import REPO
from yolo_plugins.inference.exported import as_checkpoint, exported_network, use_exported
from yolo_plugins.models import to_deploy
from yolo_plugins.registry import DATASETS, MODELS


def load_detector(config: Config, checkpoint: str | Path, device: str | torch.device = "cpu") -> BaseModel:
    """Builds the config's detector with the weights of a checkpoint, in deploy form.

    Args:
        config: With `model` and the test set.
        checkpoint: Path of the detector's weights.
        device: Torch device.

    Returns:
        The detector; its `deploy_report` says what was fused.

    Raises:
        UsageError: The checkpoint is unreadable, or of another model or other classes; the detector has not as many
            classes as the test set, or does not take that size of input.
    """
    init_default_scope(config.get("default_scope", "yolo_plugins"))
    detector = MODELS.build(config.model)
    classes = class_names(config)
    check_num_classes(detector, classes, config.test_dataloader.dataset.type)
    content, by_name = load_any_weights(checkpoint), bool(config.get("by_name"))
    return _deployed(detector, content, config, classes, str(checkpoint), device, by_name)


def load_named_detector(
    weights: str | Path,
    config: str | Path | Config | None,
    options: Sequence[str],
    device: str | torch.device | None,
    change: Callable[[Config], None],
) -> tuple[Config, BaseModel, tuple[str, ...]]:
    """Builds a detector in deploy form whose classes are those of its weights.

    Args:
        weights: Any file that `load_any_weights` takes, or an exported one.
        config: By name or path, or as it was read; None for the one in the file, or that of an official model.
        options: Changes to it, as for `load_config`.
        device: Torch device; None, for an exported file alone, is that of its runtime.
        change: More changes, before anything is built.

    Returns:
        Config, detector, and its classes: those that the file names, or else those of the config's test set.

    Raises:
        UsageError: As `load_config`, `config_from_checkpoint` and `load_any_weights`; or they do not fit.
    """
    filename = str(weights)
    where = None if device is None else str(device)
    network = exported_network(filename, options, where)
    content = read_model(filename, network)
    chosen = _config_for(content, config, options, filename)
    require(chosen, "test_dataloader")
    change(chosen)
    init_default_scope(chosen.get("default_scope", "yolo_plugins"))
    own_names = names_in_checkpoint(content, filename)
    if own_names:
        check_class_names(content, _stated_names(chosen), filename)
        _take_number(chosen, len(own_names))
    names = own_names or tuple(class_names(chosen))
    if network:
        use_exported(chosen, network, names)
        return chosen, MODELS.build({**chosen.model, "file": network}), names
    detector = MODELS.build(chosen.model)
    check_num_classes(detector, names, filename)
    return chosen, _deployed(detector, content, chosen, names, filename, device or "cpu"), names


def read_model(filename: str, network: ExportedNetwork | None) -> dict[str, Any]:
    """What a file says of its model, as a checkpoint says it; of an exported one it is in its metadata.

    Raises:
        UsageError: As `load_any_weights`.
    """
    return as_checkpoint(network.metadata) if network else load_any_weights(filename)


def _config_for(
    content: Mapping[str, Any], given: str | Path | Config | None, options: Sequence[str], filename: str
) -> Config:
    """The config that is given, or else the file's own; for an official model, which the file names, one of ours."""
    if isinstance(given, Config):
        return complete_config(copy.deepcopy(given), options, given.filename)
    if given is None and not stated(content, "cfg"):
        ours = {path.stem: path for path in (REPO / "configs").glob("*_coco.py")}
        given = ours.get(f"{stated(content, 'model')}_coco")
    return config_from_checkpoint(content, filename, options) if given is None else load_config(str(given), options)


def _take_number(config: Config, number: int) -> None:
    """Gives a model, whose config agrees with its test set, another number of classes."""
    present = len(_stated_names(config) or _usual_names(config))
    model = config.model.to_dict()
    if model == with_num_classes(model, lambda _: present):
        config.model = with_num_classes(model, lambda _: number)


def _deployed(
    detector: BaseModel,
    content: Mapping[str, Any],
    config: Config,
    classes: Sequence[str],
    filename: str,
    device: str | torch.device,
    by_name: bool = False,
) -> BaseModel:
    start = fit(content, detector, config, classes, filename, by_name=by_name)
    for sentence in start.told:
        print_log(sentence, "current", logging.WARNING)
    detector.load_state_dict(start.weights)
    return to_deploy(detector.to(device), input_hw(config))


def class_names(config: Config) -> Sequence[str]:
    """The classes of a config's test set, by the numbers that a detector gives them.

    Raises:
        UsageError: It states none.
    """
    classes = _stated_names(config) or _usual_names(config)
    if not classes:
        raise UsageError("test_dataloader.dataset states no classes: give it metainfo=dict(classes=('screw', 'nut'))")
    return classes


def _stated_names(config: Config) -> Sequence[str] | None:
    """The classes that a config gives its test set in place of the data set's own."""
    return (config.test_dataloader.dataset.get("metainfo") or config.get("metainfo") or {}).get("classes")


def _usual_names(config: Config) -> Sequence[str]:
    """Those that the type of its test set has by itself, as VOC's 20; none where it has none."""
    return getattr(DATASETS.get(config.test_dataloader.dataset.type), "METAINFO", {}).get("classes", ())


def test_pipeline(config: Config) -> Compose:
    """What a config's test set does to a picture that has been read."""
    init_default_scope(config.get("default_scope", "yolo_plugins"))
    return Compose(without_loading(config.test_dataloader.dataset.pipeline))


def set_thresholds(config: Config, score_thr: float, iou_threshold: float) -> None:
    """Sets the least score of a detection and the overlap that suppresses one, in a config, with one class a box."""
    test_cfg = config.model.setdefault("test_cfg", {})
    test_cfg["score_thr"] = score_thr
    if "nms" in test_cfg:  # of MMDetection's heads
        test_cfg["nms"]["iou_threshold"] = iou_threshold
    else:
        test_cfg.update(iou_threshold=iou_threshold, multi_label=False)


def prepare(images: Sequence[np.ndarray], pipeline: Compose) -> list[dict[str, Any]]:
    """Samples of pictures, as a test set gives them.

    Args:
        images: (H, W, 3) uint8 BGR each.
        pipeline: From `test_pipeline`.
    """
    return [
        pipeline(dict(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2], img_id="", img_path=""))
        for image in images
    ]


@torch.inference_mode()
def detect(detector: BaseModel, images: Sequence[np.ndarray], pipeline: Compose) -> list[InstanceData]:
    """Detections on some pictures, which are one batch.

    Args:
        detector: From `load_detector`.
        images: As for `prepare`.
        pipeline: From `test_pipeline`.

    Returns:
        For each, `bboxes` (k, 4) xyxy in pixels of the picture, `scores` (k,), `labels` (k,), by falling score.
    """
    return [sample.pred_instances.cpu() for sample in detector.test_step(collate_detection(prepare(images, pipeline)))]
