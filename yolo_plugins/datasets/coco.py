"""COCO on disk: where its files lie, what an instances file says. Needs only numpy.

Format: cocodataset.org, "Data format", 1. Object Detection. Outlines, most of the file, are dropped while json reads
it; pycocotools keeps them and takes more than twice the time and three times the memory.
"""

import gc
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from yolo_plugins.datasets.annotation import OTHER_CLASS, OTHERS_REMEDY, Annotation, check_boxes, label_classes
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
_ID_TYPES = (int, float, str)
_MOST_PIXELS = 1 << 31  # of a picture's side: more is a fault


def instances_path(data_root: str | Path, split: str) -> Path:
    """Path of the boxes of `split` ("train2017") in the COCO folder `data_root`."""
    return Path(data_root) / "annotations" / f"instances_{split}.json"


def pictures_path(data_root: str | Path, split: str) -> Path:
    """Path of the folder with the pictures of `split` ("train2017") in the COCO folder `data_root`."""
    return Path(data_root) / split


def read_instances(
    path: str | Path, classes: Sequence[str] = COCO_CLASSES, others: str | None = None, clip: bool = True
) -> dict[int | str, Annotation]:
    """Reads the boxes of one split.

    Crowds (`iscrowd`; where it is missing, there is none) are marked as difficult.

    Args:
        path: An instances file.
        classes: Names of the classes; a label is the index into them, whatever the ids in the file.
        others: What becomes of objects of other classes, see `label_classes`.
        clip: Whether boxes may leave their picture, see `check_boxes`.

    Returns:
        The annotation of each picture by the picture's id, in the order of the file, also where there are no objects.

    Raises:
        UsageError: The file is missing, is no JSON or lacks something, or an object breaks the rules for classes and
            boxes or belongs to a picture that is not in the file. Names the file and the first fault.
    """
    with _no_garbage_collection():
        file = _InstancesFile(Path(path))
        ids, names, sizes_wh = _read_images(file)
        owner = _places(file, "image_id", ids)
        categories, labels, wanted = _read_classes(file, classes, others)
        bboxes, has_area = _read_boxes(file, sizes_wh[owner], clip)
        crowd = file.flags("annotations", "iscrowd")
    is_other = labels == OTHER_CLASS
    difficult = crowd | is_other
    without_area = np.bincount(owner[wanted & ~has_area], minlength=len(ids)).tolist()
    other_names: list[list[str]] = [[] for _ in ids]
    for k in np.flatnonzero(is_other).tolist():
        other_names[owner[k]].append(categories[k])
    sound = wanted & has_area
    order = np.flatnonzero(sound)[np.argsort(owner[sound], kind="stable")]
    bboxes, labels, difficult = bboxes[order], labels[order], difficult[order]
    bounds = np.searchsorted(owner[order], np.arange(len(ids) + 1)).tolist()  # the boxes of picture k: k to k + 1
    annotations = {}
    for k, (image_id, name, (width, height)) in enumerate(zip(ids, names, sizes_wh.tolist(), strict=True)):
        own = slice(bounds[k], bounds[k + 1])
        objects = bboxes[own], labels[own], difficult[own], without_area[k], tuple(other_names[k])
        annotations[image_id] = Annotation(name, width, height, *objects)
    return annotations


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
            with path.open(encoding="utf-8-sig") as file:  # with a byte-order mark or without
                content = json.load(file, object_hook=_without_outline)
        except OSError as error:
            raise UsageError(
                f"{path}: cannot read the annotations ({error.strerror}); "
                "correct splits, or set data_root to the folder that holds annotations"
            ) from error
        except (ValueError, RecursionError) as error:
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

    def typed_column(self, part: str, key: str, *types: type) -> list[Any]:
        """One value of every entry of a list, refused where one of them is of another type (true is no int)."""
        values = self.column(part, key)
        if not set(map(type, values)) <= set(types):  # only now one by one
            self.check(part, key, values, lambda value: type(value) in types)
        return values

    def check(self, part: str, key: str, values: Sequence[Any], is_sound: Callable[[Any], bool]) -> None:
        """Refuses the first value of a column that is not sound."""
        for k, value in enumerate(values):
            if not is_sound(value):
                raise self.fault(f"{part}[{k}] has a wrong {key!r}: {value!r}")

    def flags(self, part: str, key: str) -> np.ndarray:
        """Whether every entry of a list, known to be dicts, has a 1 under a key; a key that is missing is a 0."""
        values = [entry.get(key, 0) for entry in self._lists[part]]
        self.check(part, key, values, lambda value: value in (0, 1, "0", "1"))
        return np.array([value in (1, "1") for value in values], dtype=bool)

    def fault(self, what: str) -> UsageError:
        return UsageError(f"{self._path}: {what}; fix the file")


def _without_outline(entry: dict) -> dict:
    """What detection reads of an entry; the file's whole text stays in memory, its polygons' numbers do not."""
    entry.pop("segmentation", None)
    return entry


def _read_images(file: _InstancesFile) -> tuple[list[Any], list[str], np.ndarray]:
    """Ids, file names, (n, 2) int64 widths and heights."""
    ids = file.typed_column("images", "id", *_ID_TYPES)
    if not ids:
        raise file.fault("lists no picture")
    names = file.typed_column("images", "file_name", str)
    sides = {key: file.column("images", key) for key in ("width", "height")}
    for key, values in sides.items():
        file.check("images", key, values, _is_side)
    return ids, names, np.array(list(sides.values()), dtype=np.int64).T


def _read_classes(
    file: _InstancesFile, classes: Sequence[str], others: str | None
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Of every object of the file: name of its class, (m,) label, (m,) whether to keep it."""
    ids, names = file.typed_column("categories", "id", *_ID_TYPES), file.typed_column("categories", "name", str)
    category = _places(file, "category_id", ids)
    labels, wanted, faults = label_classes(names, classes, others)
    unknown = [k for k in category.tolist() if k in faults] if faults else []
    if unknown:
        raise file.fault(f"{faults[unknown[0]]}, one of {len(names)} categories ({OTHERS_REMEDY})")
    return [names[k] for k in category.tolist()], labels[category], wanted[category]


def _places(file: _InstancesFile, key: str, ids: Sequence[Any]) -> np.ndarray:
    """(m,) int64 place among `ids` of the one that each object names."""
    place_of = {number: place for place, number in enumerate(ids)}
    if len(place_of) < len(ids):
        twice = next(number for place, number in enumerate(ids) if place_of[number] != place)
        raise file.fault(f"the id {twice!r} that {key!r} refers to is given twice")
    named = file.typed_column("annotations", key, *_ID_TYPES)
    places = np.array([place_of.get(number, -1) for number in named], dtype=np.int64)
    if (places < 0).any():
        k = int(places.argmin())
        raise file.fault(f"annotations[{k}] has an unknown {key!r}: {named[k]!r}")
    return places


def _read_boxes(file: _InstancesFile, sizes_wh: np.ndarray, clip: bool) -> tuple[np.ndarray, np.ndarray]:
    """Of every object: (m, 4) float32 xyxy within its picture, (m,) whether it has an area."""
    boxes = file.typed_column("annotations", "bbox", list)
    numbers = list(chain.from_iterable(boxes))
    if not set(map(type, numbers)) <= {int, float} or not set(map(len, boxes)) <= {4}:
        file.check("annotations", "bbox", boxes, _is_box)
    try:
        bboxes = np.array(numbers, dtype=np.float64).reshape(-1, 4)
    except OverflowError:  # of an integer that no float holds
        file.check("annotations", "bbox", boxes, _is_box)
        raise
    bboxes[:, 2:] += bboxes[:, :2]
    clipped, has_area, faults = check_boxes(bboxes, sizes_wh, clip, lambda k: boxes[k])
    if faults:
        k, fault = next(iter(faults.items()))
        raise file.fault(f"annotations[{k}]: {fault}")
    return clipped, has_area


def _is_side(value: Any) -> bool:
    return _is_number(value) and 1 <= value < _MOST_PIXELS and value == int(value)


def _is_box(value: Any) -> bool:
    return type(value) is list and len(value) == 4 and all(map(_is_number, value))


def _is_number(value: Any) -> bool:
    """Neither a text nor true or false, which numpy would take; neither infinite nor NaN, nor beyond a float."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max
