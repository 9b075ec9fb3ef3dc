"""Detectors with random weights that find something, and test sets on which they are right now and then."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from torch import Tensor, nn

from yolo_plugins.datasets.images import read_image
from yolo_plugins.errors import UsageError
from yolo_plugins.files import json_text
from yolo_plugins.inference import class_names, detect, prepare, test_pipeline
from yolo_plugins.registry import MODELS
from yolo_plugins.testing.norms import settle_norms

_KEPT = 0.5  # of what is found: the share that is an object
_MOVED = 0.1  # of its width or height: how far a side of an object is moved at most
_LEAST = 2  # pixels of a side of an object


def make_detector(config: Config, pictures: Sequence[Path], folder: Path) -> tuple[Path, Path]:
    """Writes a checkpoint with random weights, as a training does, and a test set of which it finds a part.

    The objects are about half of what the detector finds, each a little moved: the rest is found in vain, overlaps are
    of every size, and average precision lies between 0 and 1. A detector that finds something else scores otherwise.

    Args:
        config: Whose classes are those of the test set.
        pictures: Of the test set; four or more.
        folder: For both.

    Returns:
        The checkpoint, and the test set in COCO's layout.

    Raises:
        UsageError: The detector finds nothing.
    """
    names, pipeline = tuple(class_names(config)), test_pipeline(config)
    images = [read_image(str(path)) for path in pictures]
    torch.manual_seed(0)
    detector = MODELS.build(config.model).eval()
    settle(detector, [sample["inputs"] for sample in prepare(images, pipeline)])
    found = [_objects(detect(detector, [image], pipeline)[0], image.shape[:2]) for image in images]
    if not any(map(len, found)):
        raise UsageError(
            f"{type(detector).__name__}: finds nothing with random weights; lower model.test_cfg.score_thr"
        )
    checkpoint, data = folder / f"{Path(config.filename).stem}.pth", folder / "data"
    meta = {"cfg": config.pretty_text, "dataset_meta": {"classes": names}}
    torch.save({"state_dict": detector.state_dict(), "meta": meta}, checkpoint)
    _write_coco(data / "test", pictures, images, found, names)
    return checkpoint, data


def settle(detector: BaseModel, pictures: Sequence[Tensor]) -> None:
    """Gives a fresh detector norms that have seen some pictures, and a head that finds something there.

    Args:
        detector: In evaluation mode; it is changed.
        pictures: (3, H, W) uint8 BGR each, two or more.
    """
    inputs = detector.data_preprocessor({"inputs": list(pictures)}, False)["inputs"]
    settle_norms(detector, inputs)
    _spread_scores(detector, inputs)


@torch.no_grad()
def _spread_scores(detector: Any, images: Tensor) -> None:
    """Makes a fresh head find some boxes, none of a score of 0 or 1, as equal scores have no order to compare."""

    def settle_output(module: Any, _: object, output: Tensor) -> Tensor:
        hooks.pop(module).remove()  # of the levels that share it the first decides
        scale, before = output.std().clamp(min=1e-3), module.bias.clone()
        module.weight.div_(scale)
        module.bias.copy_(torch.randn_like(before) * 0.5)
        return (output - before.view(-1, 1, 1)) / scale + module.bias.view(-1, 1, 1)

    convolutions = [module for module in detector.bbox_head.modules() if isinstance(module, nn.Conv2d)]
    hooks = {module: module.register_forward_hook(settle_output) for module in convolutions if module.bias is not None}
    detector(images, mode="tensor")


def _objects(found: Any, picture_hw: tuple[int, int]) -> np.ndarray:
    """(k, 5) Label, left, top, width, height in pixels of some of the detections on a picture, a little moved."""
    rng = np.random.default_rng(0)
    height, width = picture_hw
    boxes = found.bboxes.numpy().astype(float)
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    boxes = (boxes + rng.uniform(-_MOVED, _MOVED, boxes.shape) * sides).clip(0, (width, height, width, height))
    sides = boxes[:, 2:] - boxes[:, :2]
    kept = (rng.random(len(boxes)) < _KEPT) & (sides > _LEAST).all(1)
    return np.column_stack((found.labels.numpy(), boxes[:, :2], sides))[kept]


def _write_coco(
    folder: Path,
    paths: Sequence[Path],
    images: Sequence[np.ndarray],
    objects: Sequence[np.ndarray],
    names: Sequence[str],
) -> None:
    """Writes pictures and boxes into one folder."""
    folder.mkdir(parents=True)
    entries: list[dict] = []
    boxes: list[dict] = []
    for number, (path, image, found) in enumerate(zip(paths, images, objects, strict=True), 1):
        (folder / path.name).write_bytes(path.read_bytes())
        entries.append(dict(id=number, file_name=path.name, height=image.shape[0], width=image.shape[1]))
        for label, *bbox in found.tolist():
            box = dict(id=len(boxes) + 1, image_id=number, category_id=int(label), bbox=bbox, area=bbox[2] * bbox[3])
            boxes.append(box | dict(iscrowd=0))
    categories = [dict(id=number, name=name) for number, name in enumerate(names)]
    content = dict(images=entries, annotations=boxes, categories=categories)
    (folder / "_annotations.coco.json").write_text(json_text(content))
