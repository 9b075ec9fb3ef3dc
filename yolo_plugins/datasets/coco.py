"""COCO on disk: where its files lie, what an instances file says. Needs only numpy.

Format: cocodataset.org, "Data format", 1. Object Detection. Outlines, most of the file, are dropped while json reads
it; pycocotools keeps them and takes more than twice the time and three times the memory.
"""

import gc
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from yolo_plugins.datasets.annotation import (
    OTHER_CLASS,
    OTHERS_REMEDY,
    Annotation,
    Report,
    check_boxes,
    label_classes,
    refuse,
    reporting,
)
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
_MOST_PIXELS = 1 << 31  # of a picture's side: more is a fault
_LOOKED_FOR = 20  # pictures of a split, to find their folder
_SHOWN = 60  # characters of a wrong value

_Rules = dict[str, Callable[[Any], bool]]  # by key of an entry: whether it can have that value


def instances_path(data_root: str | Path, split: str) -> Path:
    """Path of the boxes of `split` in the COCO folder `data_root`: "train2017", or the path of a JSON file in it."""
    return Path(data_root) / (split if split.endswith(".json") else f"annotations/instances_{split}.json")


def pictures_folder(path: Path, names: Sequence[str]) -> Path:
    """The folder with the pictures of an instances file: of those near it, the first that has most of them.

    Args:
        path: The file, as "annotations/instances_train2017.json" or "train/_annotations.coco.json".
        names: The pictures' file names, as it states them; some are looked for.
    """
    split = path.stem.removeprefix("instances_")
    bases = [path.parent.parent, path.parent] if path.parent.name == "annotations" else [path.parent]
    near = [base / folder for base in bases for folder in (split, f"images/{split}", "images", "data", "")]
    return max(near, key=lambda folder: sum(os.path.isfile(folder / name) for name in names[:_LOOKED_FOR]))


def find_splits(path: Path) -> tuple[Path, list[str]] | None:
    """`data_root` and `splits` of a COCO folder or of an instances file; None where it is neither."""
    if path.suffix == ".json":
        return path.parent, [path.name]
    if not path.is_dir():
        return None
    standard = sorted((path / "annotations").glob("instances_*.json"))
    if standard:
        return path, [_standard_name(path, file) for file in standard]
    found = [*path.glob("annotations/*.json"), *path.glob("_annotations.coco.json")]
    found += path.glob("*/_annotations.coco.json")
    found = found or [file for file in path.glob("*.json") if _has_lists(file)]
    return (path, sorted(file.relative_to(path).as_posix() for file in found)) if found else None


def _standard_name(root: Path, file: Path) -> str:
    split = file.stem.removeprefix("instances_")
    return split if (root / split).is_dir() else f"annotations/{file.name}"


def _has_lists(path: Path) -> bool:
    try:
        _InstancesFile(path)
    except UsageError:
        return False
    return True


def find_classes(data_root: Path, splits: Sequence[str]) -> tuple[str, ...]:
    """The categories of some splits in the order of their ids; a file that cannot be read is passed over.

    A category of which there is no object is left out where it is the `supercategory` of others, as Roboflow's first.

    Raises:
        UsageError: No file can be read; tells the fault of the first.
    """
    faults: list[str] = []
    found: dict[str, None] = {}
    used: set[str] = set()
    above: set[str] = set()
    for split in splits:
        with reporting(faults.append), _no_garbage_collection():
            file = _InstancesFile(instances_path(data_root, split), report=lambda _: None)
            categories = file.by_id("categories", _CATEGORY)
            found |= {categories[number]["name"]: None for number in sorted(categories, key=_by_kind)}
            above |= {entry["supercategory"] for entry in categories.values() if _is_below_another(entry)}
            named = {entry["category_id"] for _, entry in file.entries("annotations", {"category_id": _is_id})}
            used |= {entry["name"] for number, entry in categories.items() if number in named}
    if faults and not found:
        raise UsageError(faults[0])
    return tuple(name for name in found if name in used or name not in above)


def _by_kind(number: Any) -> tuple[bool, Any]:
    return isinstance(number, str), number


def _is_below_another(category: dict) -> bool:
    above = category.get("supercategory")
    return isinstance(above, str) and above != category["name"]


def read_instances(
    path: str | Path,
    classes: Sequence[str] = COCO_CLASSES,
    others: str | None = None,
    clip: bool = True,
    report: Report = refuse,
) -> dict[int | str, Annotation]:
    """Reads the boxes of one split.

    Crowds (`iscrowd`; where it is missing, there is none) are marked as difficult.

    Args:
        path: An instances file.
        classes: Names of the classes; a label is the index into them, whatever the ids in the file.
        others: What becomes of objects of other classes, see `label_classes`.
        clip: Whether boxes may leave their picture, see `check_boxes`.
        report: Is told each fault of a picture, a category or an object.

    Returns:
        The annotation of each sound picture by the picture's id, in the order of the file, with its sound objects; also
        where there are none.

    Raises:
        UsageError: The file is missing, is no JSON, or lacks a list or pictures. Names it.
    """
    with _no_garbage_collection():
        file = _InstancesFile(Path(path), report)
        images = file.by_id("images", _IMAGE)
        if not images:
            raise file.fault("lists no picture")
        categories = file.by_id("categories", _CATEGORY)
        objects = file.objects(images, categories)
        place_of = {number: place for place, number in enumerate(images)}
        owner = np.array([place_of[entry["image_id"]] for _, entry in objects], dtype=np.int64)
        sizes_wh = np.array([(entry["width"], entry["height"]) for entry in images.values()], dtype=np.int64)
        names = [categories[entry["category_id"]]["name"] for _, entry in objects]
        labels, wanted = _label(file, names, len(categories), classes, others)
        bboxes, has_area, is_sound = _check_boxes(file, objects, sizes_wh[owner], clip)
        crowd = np.array([entry.get("iscrowd", 0) in (1, "1") for _, entry in objects], dtype=bool)
    wanted &= is_sound
    is_other = labels == OTHER_CLASS
    difficult = crowd | is_other
    without_area = np.bincount(owner[wanted & ~has_area], minlength=len(images)).tolist()
    other_names: list[list[str]] = [[] for _ in images]
    for k in np.flatnonzero(is_other).tolist():
        other_names[owner[k]].append(names[k])
    sound = wanted & has_area
    order = np.flatnonzero(sound)[np.argsort(owner[sound], kind="stable")]
    bboxes, labels, difficult = bboxes[order], labels[order], difficult[order]
    bounds = np.searchsorted(owner[order], np.arange(len(images) + 1)).tolist()  # the boxes of picture k: k to k + 1
    annotations = {}
    for k, (image_id, entry) in enumerate(images.items()):
        own = slice(bounds[k], bounds[k + 1])
        found = bboxes[own], labels[own], difficult[own], without_area[k], tuple(other_names[k])
        annotations[image_id] = Annotation(entry["file_name"], int(entry["width"]), int(entry["height"]), *found)
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

    def __init__(self, path: Path, report: Report = refuse) -> None:
        self._path = path
        self._report = report
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

    def entries(self, part: str, rules: _Rules) -> list[tuple[int, dict]]:
        """Place and content of the entries of a list that follow the rules; the others are reported."""
        found = []
        for k, entry in enumerate(self._lists[part]):
            fault = _entry_fault(entry, rules)
            if fault:
                self.tell(f"{part}[{k}] {fault}")
            else:
                found.append((k, entry))
        return found

    def by_id(self, part: str, rules: _Rules) -> dict[Any, dict]:
        """The entries of a list by their ids, of which each may stand there once."""
        found: dict[Any, dict] = {}
        for k, entry in self.entries(part, rules):
            if entry["id"] in found:
                self.tell(f"{part}[{k}]: the id {entry['id']!r} is given twice")
            else:
                found[entry["id"]] = entry
        return found

    def objects(self, images: Mapping[Any, dict], categories: Mapping[Any, dict]) -> list[tuple[int, dict]]:
        """Place and content of the objects that follow the rules and belong to a sound picture and category."""
        sound = {"image_id": images, "category_id": categories}
        given = {"image_id": self._ids("images"), "category_id": self._ids("categories")}
        found = []
        for k, entry in self.entries("annotations", _OBJECT):
            lost = [key for key in sound if entry[key] not in sound[key]]
            for key in lost:
                if entry[key] not in given[key]:  # else the fault is that of the picture or category
                    self.tell(f"annotations[{k}] has an unknown {key!r}: {entry[key]!r}")
            if not lost:
                found.append((k, entry))
        return found

    def _ids(self, part: str) -> set[Any]:
        ids = [entry.get("id") for entry in self._lists[part] if isinstance(entry, dict)]
        return {number for number in ids if _is_id(number)}

    def tell(self, what: str) -> None:
        """Reports a fault."""
        self._report(str(self.fault(what)))

    def fault(self, what: str) -> UsageError:
        return UsageError(f"{self._path}: {what}; fix the file")


def _without_outline(entry: dict) -> dict:
    """What detection reads of an entry; the file's whole text stays in memory, its polygons' numbers do not."""
    entry.pop("segmentation", None)
    return entry


def _entry_fault(entry: Any, rules: _Rules) -> str:
    """The first fault of an entry; empty where it has none."""
    try:
        for key, holds in rules.items():
            if not holds(entry[key]):
                shown = repr(entry[key])
                return f"has a wrong {key!r}: {shown if len(shown) <= _SHOWN else f'{shown[:_SHOWN]}...'}"
    except (KeyError, TypeError):
        if key not in _OPTIONAL:
            return f"has no {key!r}; give an instances file in COCO's format"
    return ""


def _label(
    file: _InstancesFile, names: Sequence[str], num_categories: int, classes: Sequence[str], others: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """Of objects by the names of their categories: (m,) label, (m,) whether to keep it."""
    kinds = list(dict.fromkeys(names))
    labels, wanted, faults = label_classes(kinds, classes, others)
    for fault in faults.values():
        file.tell(f"{fault}, one of {num_categories} categories ({OTHERS_REMEDY})")
    place_of = {name: place for place, name in enumerate(kinds)}
    places = np.array([place_of[name] for name in names], dtype=np.int64)
    return labels[places], wanted[places]


def _check_boxes(
    file: _InstancesFile, objects: Sequence[tuple[int, dict]], sizes_wh: np.ndarray, clip: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of every object: (m, 4) float32 xyxy in its picture, (m,) whether it has an area, (m,) whether it is sound."""
    numbers = chain.from_iterable(entry["bbox"] for _, entry in objects)
    bboxes = np.fromiter(numbers, dtype=np.float64, count=4 * len(objects)).reshape(-1, 4)
    bboxes[:, 2:] += bboxes[:, :2]
    clipped, has_area, faults = check_boxes(bboxes, sizes_wh, clip, lambda k: objects[k][1]["bbox"])
    is_sound = np.ones(len(objects), dtype=bool)
    for k, fault in faults.items():
        file.tell(f"annotations[{objects[k][0]}]: {fault}")
        is_sound[k] = False
    return clipped, has_area, is_sound


def _is_id(value: Any) -> bool:
    return type(value) in (int, float, str)


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_side(value: Any) -> bool:
    return _is_number(value) and 1 <= value < _MOST_PIXELS and value == int(value)


def _is_flag(value: Any) -> bool:
    return value in (0, 1, "0", "1")


def _is_box(value: Any) -> bool:
    return type(value) is list and len(value) == 4 and all(map(_is_number, value))


def _is_number(value: Any) -> bool:
    """Neither a text nor true or false, which numpy would take, nor a whole number that no float holds."""
    return type(value) is float or (type(value) is int and abs(value) <= sys.float_info.max)


_IMAGE: _Rules = {"id": _is_id, "file_name": _is_text, "width": _is_side, "height": _is_side}
_CATEGORY: _Rules = {"id": _is_id, "name": _is_text}
_OBJECT: _Rules = {"image_id": _is_id, "category_id": _is_id, "bbox": _is_box, "iscrowd": _is_flag}
_OPTIONAL = ("iscrowd",)  # last of its rules
