"""Detections on single pictures: load a trained detector, run it, draw what it found."""

import logging
from collections.abc import Container, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from PIL import Image

from yolo_plugins.checkpoints.classes import check_num_classes
from yolo_plugins.checkpoints.transfer import fit
from yolo_plugins.checkpoints.weights import load_any_weights
from yolo_plugins.config import input_hw
from yolo_plugins.datasets.collate import collate_detection
from yolo_plugins.datasets.detection_dataset import without_loading
from yolo_plugins.datasets.drawing import draw_boxes
from yolo_plugins.datasets.images import IMAGE_SUFFIXES, read_image
from yolo_plugins.errors import UsageError
from yolo_plugins.files import json_text, write_atomically
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
    content = load_any_weights(checkpoint)
    start = fit(content, detector, config, classes, str(checkpoint), by_name=bool(config.get("by_name")))
    for sentence in start.told:
        print_log(sentence, "current", logging.WARNING)
    detector.load_state_dict(start.weights)
    return to_deploy(detector.to(device), input_hw(config))


def class_names(config: Config) -> Sequence[str]:
    """The classes of a config's test set, by the numbers that a detector gives them.

    Raises:
        UsageError: It states none.
    """
    dataset = config.test_dataloader.dataset
    stated = dataset.get("metainfo") or config.get("metainfo") or {}
    classes = {**getattr(DATASETS.get(dataset.type), "METAINFO", {}), **stated}.get("classes")
    if not classes:
        raise UsageError("test_dataloader.dataset states no classes: give it metainfo=dict(classes=('screw', 'nut'))")
    return classes


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


@torch.inference_mode()
def detect(detector: BaseModel, image: np.ndarray, pipeline: Compose) -> InstanceData:
    """Detections on one picture.

    Args:
        detector: From `load_detector`.
        image: (H, W, 3) uint8 BGR.
        pipeline: From `test_pipeline`.

    Returns:
        `bboxes` (k, 4) xyxy in pixels of the picture, `scores` (k,), `labels` (k,), by falling score.
    """
    sample = pipeline(dict(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2], img_id="", img_path=""))
    return detector.test_step(collate_detection([sample]))[0].pred_instances.cpu()


def draw(image: np.ndarray, result: InstanceData, classes: Sequence[str]) -> np.ndarray:
    """The picture, (H, W, 3) uint8 BGR, with a box, class and score for each detection; a copy."""
    drawn = Image.fromarray(np.ascontiguousarray(image[..., ::-1]))
    labels = result.labels.tolist()
    names = [f"{classes[label]} {score:.2f}" for label, score in zip(labels, result.scores.tolist(), strict=True)]
    draw_boxes(drawn, result.bboxes.tolist(), labels, names)
    return np.array(drawn)[..., ::-1].copy()


class Outcome(NamedTuple):
    """What became of a folder of pictures: how many were drawn, and what was not, told in a sentence each."""

    drawn: int
    faults: list[str]
    skipped: list[str]


def infer_folder(config: Config, checkpoint: str, source: str, out: str, device: str = "cpu") -> Outcome:
    """Writes each picture with its detections to a folder, and all detections to `detections.json` there.

    A drawn picture keeps its name, with `.png` after it where OpenCV cannot write such a file; this is the name in
    `detections.json`. A picture that cannot be read is left out. A run that is broken off leaves the detections of
    the pictures that are done.

    Args:
        config: With `model` and the test set.
        checkpoint: Path of the detector's weights.
        source: A picture, or a folder of pictures.
        out: Folder for the results; made where it is missing.
        device: Torch device.

    Raises:
        UsageError: No picture is found, the only one cannot be read, or the checkpoint does not fit.
    """
    images, skipped = _find_images(Path(source))
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    if folder.samefile(images[0].parent):
        raise UsageError(f"--out {out} is the folder of the pictures; give another one, so that none is overwritten")
    detector, pipeline, classes = load_detector(config, checkpoint, device), test_pipeline(config), class_names(config)
    names = {path.name for path in images}
    found: dict[str, list[dict]] = {}
    faults = []
    try:
        for path in images:
            try:
                image = read_image(path)
            except UsageError as error:
                if len(images) == 1:
                    raise
                faults.append(str(error))
                continue
            result = detect(detector, image, pipeline)
            name = _write_picture(folder, path.name, draw(image, result, classes), names)
            found[name] = _as_list(result, classes)
    finally:
        write_atomically(folder / "detections.json", json_text(found, indent=1).encode())
    return Outcome(len(found), faults, skipped)


def _find_images(source: Path) -> tuple[list[Path], list[str]]:
    """The pictures that a path names, sorted; names of what else is in the folder."""
    if source.is_file():
        return [source], []
    if not source.is_dir():
        raise UsageError(f"{source}: no such picture or folder; check the path")
    entries = sorted(source.iterdir())
    images = [path for path in entries if path.suffix.lower() in IMAGE_SUFFIXES and _may_be_picture(path)]
    if not images:
        kinds = ", ".join(IMAGE_SUFFIXES)
        raise UsageError(f"{source}: no picture found; give a picture, or a folder that holds some ({kinds})")
    return images, [path.name for path in entries if path not in images]


def _may_be_picture(path: Path) -> bool:
    """Whether it is a file, or a link that leads nowhere, which is a picture that cannot be read."""
    return path.is_file() or not path.exists()


def _write_picture(folder: Path, name: str, picture: np.ndarray, names: Container[str]) -> str:
    """Writes a picture under its name, or as PNG under one that none of the others has; returns that."""
    encoded = _encoded(picture, Path(name).suffix)
    if encoded is None:
        encoded, name = cv2.imencode(".png", picture)[1].tobytes(), f"{name}.png"
        while name in names:
            name += ".png"
    write_atomically(folder / name, encoded)
    return name


def _encoded(picture: np.ndarray, suffix: str) -> bytes | None:
    """The content of a picture file; None where OpenCV writes no such file, or none of that size."""
    try:
        done, data = cv2.imencode(suffix, picture)
    except cv2.error:
        return None
    return data.tobytes() if done else None


def _as_list(result: InstanceData, classes: Sequence[str]) -> list[dict]:
    """A picture's detections as `detections.json` has them."""
    columns = (result.labels.tolist(), result.scores.tolist(), result.bboxes.tolist())
    return [
        dict(label=classes[label], score=score, bbox_xyxy=bbox) for label, score, bbox in zip(*columns, strict=True)
    ]
