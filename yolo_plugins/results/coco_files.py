"""The boxes of a test in COCO's format, for its own evaluation and for other tools: `COCO(truth).loadRes(found)`."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolo_plugins.files import json_text, write_atomically
from yolo_plugins.results.collect import Tested

GROUND_TRUTH, DETECTIONS = "ground_truth.json", "detections.json"


def write_ground_truth(tested: Tested, folder: Path) -> None:
    """Writes what the pictures hold: their ids, names and sizes, the categories, the objects.

    `id` of a picture is that of the data set where all of them are whole numbers, else its place there from 1 on; that
    of a category is its place among the classes from 1 on. Difficult objects are COCO's crowds.

    Raises:
        UsageError: The disk is full.
    """
    annotations: list[dict[str, Any]] = []
    for image_id, (bboxes, labels, difficult, *_) in zip(_image_ids(tested), tested.images, strict=True):
        for box, label, ignored in zip(_xywh(bboxes), labels.tolist(), difficult.tolist(), strict=True):
            known = {"image_id": image_id, "category_id": label + 1, "bbox": box, "area": box[2] * box[3]}
            annotations.append({"id": len(annotations) + 1, **known, "iscrowd": int(ignored)})
    images = [
        {"id": image_id, "file_name": picture.path, "width": picture.width, "height": picture.height}
        | {"name": str(picture.img_id)}
        for image_id, picture in zip(_image_ids(tested), tested.pictures, strict=True)
    ]
    categories = [{"id": k, "name": name} for k, name in enumerate(tested.classes, start=1)]
    content = {"info": {}, "images": images, "categories": categories, "annotations": annotations}
    write_atomically(folder / GROUND_TRUTH, json_text(content).encode())


def write_detections(tested: Tested, path: Path) -> None:
    """Writes all detections as a list, COCO's format of results.

    Raises:
        UsageError: The disk is full.
    """
    found = [
        {"image_id": image_id, "category_id": label + 1, "bbox": box, "score": score}
        for image_id, (*_, bboxes, labels, scores) in zip(_image_ids(tested), tested.images, strict=True)
        for box, label, score in zip(_xywh(bboxes), labels.tolist(), scores.tolist(), strict=True)
    ]
    write_atomically(path, json_text(found).encode())


def _image_ids(tested: Tested) -> list[int]:
    ids = [picture.img_id for picture in tested.pictures]
    whole = [int(img_id) for img_id in ids if isinstance(img_id, (int, np.integer))]
    return whole if len(set(whole)) == len(ids) else list(range(1, len(ids) + 1))


def _xywh(bboxes: NDArray[Any]) -> list[list[float]]:
    bboxes = bboxes.astype(np.float64)
    return np.concatenate([bboxes[:, :2], bboxes[:, 2:] - bboxes[:, :2]], axis=1).tolist()
