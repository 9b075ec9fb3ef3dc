"""COCO on disk: where its files lie, what an instances file says. Needs only numpy.

Format: cocodataset.org, "Data format", 1. Object Detection. Outlines, most of the file, are dropped while json reads
it; pycocotools keeps them and takes more than twice the time and three times the memory.
"""

import gc
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from yolo_plugins.datasets.annotation import Annotation
from yolo_plugins.errors import UsageError

# The official names in the official order (ids 1 to 90 with gaps): the class index of a label is its place here.
# fmt: off
COCO_CLASSES: tuple[str, ...] = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow",
    "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee",
    "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard",
    "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple",
    "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch",
    "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone",
    "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors", "teddy bear",
    "hair drier", "toothbrush",
)
# fmt: on


def instances_path(data_root: str | Path, split: str) -> Path:
    """Path of the boxes of `split` ("train2017") in the COCO folder `data_root`."""
    return Path(data_root) / "annotations" / f"instances_{split}.json"


def pictures_path(data_root: str | Path, split: str) -> Path:
    """Path of the folder with the pictures of `split` ("train2017") in the COCO folder `data_root`."""
    return Path(data_root) / split


def read_instances(path: str | Path, classes: Sequence[str] = COCO_CLASSES) -> tuple[dict[int, Annotation], int]:
    """Reads the boxes of one split.

    Crowds (`iscrowd`) are marked as difficult. Boxes are clipped to their picture; those without area are left out.

    Args:
        path: An instances file.
        classes: Names of the classes; a label is the index into them, whatever the ids in the file.

    Returns:
        The annotation of each picture by the picture's id, in the order of the file, also where there are no objects;
        and how many boxes were left out.

    Raises:
        UsageError: The file is missing, is no JSON or lacks something, or an object has a class that is not among
            `classes` or a picture that is not in the file. Names the file and the first fault.
    """
    with _no_garbage_collection():
        file = _InstancesFile(Path(path))
        ids, names, sizes_wh = _read_images(file)
        owner, labels, crowd, bboxes = _read_objects(file, ids, classes)
    np.clip(bboxes, 0, np.tile(sizes_wh[owner], 2), out=bboxes)
    bboxes = bboxes.astype(np.float32)
    sound = (bboxes[:, 2] > bboxes[:, 0]) & (bboxes[:, 3] > bboxes[:, 1])
    order = np.flatnonzero(sound)[np.argsort(owner[sound], kind="stable")]
    bboxes, labels, crowd = bboxes[order], labels[order], crowd[order]
    bounds = np.searchsorted(owner[order], np.arange(len(ids) + 1)).tolist()  # the boxes of picture k: k to k + 1
    annotations = {
        image_id: Annotation(name, width, height, bboxes[start:stop], labels[start:stop], crowd[start:stop])
        for image_id, name, (width, height), start, stop in zip(
            ids, names, sizes_wh.tolist(), bounds[:-1], bounds[1:], strict=True
        )
    }
    return annotations, len(sound) - len(order)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Millions of new objects and no cycles among them: the collector would take a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _InstancesFile:
    """The lists of an instances file, without outlines; every fault is named by its place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open(encoding="utf-8") as file:
                content = json.load(file, object_hook=_without_outline)
        except OSError as error:
            raise UsageError(
                f"{path}: cannot read the annotations ({error.strerror}); "
                "correct splits, or set data_root to the folder that holds annotations"
            ) from error
        except ValueError as error:
            raise UsageError(f"{path}: malformed JSON ({error}); restore the file") from error
        self._lists = content if isinstance(content, dict) else {}
        for part in ("images", "annotations", "categories"):
            if not isinstance(self._lists.get(part), list):
                raise UsageError(f"{path}: has no list {part!r}; give an instances file in COCO's format")

    def column(self, part: str, key: str) -> list[Any]:
        """One value of every entry of a list."""
        try:
            return [entry[key] for entry in self._lists[part]]
        except (KeyError, TypeError):
            present = [isinstance(entry, dict) and key in entry for entry in self._lists[part]]
            raise UsageError(
                f"{self._path}: {part}[{present.index(False)}] has no {key!r}; give an instances file in COCO's format"
            ) from None

    def checked_column(self, part: str, key: str, is_sound: Callable[[Any], bool]) -> list[Any]:
        """One value of every entry of a list, refused where one of them is not sound."""
        values = self.column(part, key)
        for k, value in enumerate(values):
            if not is_sound(value):
                raise self.fault(f"{part}[{k}] has a wrong {key!r}: {value!r}")
        return values

    def fault(self, what: str) -> UsageError:
        return UsageError(f"{self._path}: {what}; fix the file")


def _without_outline(entry: dict) -> dict:
    """What detection reads of an entry; the file's whole text stays in memory, its polygons' numbers do not."""
    entry.pop("segmentation", None)
    return entry


def _read_images(file: _InstancesFile) -> tuple[list[int], list[str], np.ndarray]:
    """Ids, file names, (n, 2) int64 widths and heights."""
    ids = file.column("images", "id")
    if not ids:
        raise file.fault("lists no picture")
    names = file.checked_column("images", "file_name", lambda name: isinstance(name, str))
    sides = [file.checked_column("images", key, _is_side) for key in ("width", "height")]
    return ids, names, np.array(sides, dtype=np.int64).T


def _read_objects(
    file: _InstancesFile, image_ids: Sequence[int], classes: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of every object of the file: (m,) place of its picture, (m,) label, (m,) crowd, (m, 4) float64 xyxy."""
    owner = _places(file, "image_id", image_ids)
    category = _places(file, "category_id", file.column("categories", "id"))
    names = file.column("categories", "name")
    label_of = {name: label for label, name in enumerate(classes)}
    labels = np.array([label_of.get(name, -1) for name in names], dtype=np.int64)[category]
    if (labels < 0).any():
        raise file.fault(
            f"unknown class {names[category[labels.argmin()]]!r}; name the file's {len(names)} categories in "
            "metainfo=dict(classes=...)"
        )
    bboxes = _read_boxes(file)
    bboxes[:, 2:] += bboxes[:, :2]
    return owner, labels, np.array(file.column("annotations", "iscrowd"), dtype=bool), bboxes


def _places(file: _InstancesFile, key: str, ids: Sequence[int]) -> np.ndarray:
    """(m,) int64 place among `ids` of the one that each object names."""
    place_of = {number: place for place, number in enumerate(ids)}
    if len(place_of) < len(ids):
        twice = next(number for place, number in enumerate(ids) if place_of[number] != place)
        raise file.fault(f"the id {twice!r} that {key!r} refers to is given twice")
    named = file.column("annotations", key)
    places = np.array([place_of.get(number, -1) for number in named], dtype=np.int64)
    if (places < 0).any():
        k = int(places.argmin())
        raise file.fault(f"annotations[{k}] has an unknown {key!r}: {named[k]!r}")
    return places


def _read_boxes(file: _InstancesFile) -> np.ndarray:
    """(m, 4) float64 x, y, width, height of every object."""
    boxes = file.column("annotations", "bbox")
    try:
        bboxes = np.array(boxes, dtype=np.float64).reshape(len(boxes), 4)
    except (TypeError, ValueError):
        bboxes = np.full((1, 4), np.nan)
    if not np.isfinite(bboxes).all():  # only now one by one
        file.checked_column("annotations", "bbox", _is_box)
    return bboxes


def _is_side(value: Any) -> bool:
    return isinstance(value, int | float) and 1 <= value < math.inf


def _is_box(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(isinstance(number, int | float) and math.isfinite(number) for number in value)
    )
