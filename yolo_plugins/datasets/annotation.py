"""What a data set says about one picture, whatever the format of its files; and the rules that all readers share.

A rule for an object's class (`label_classes`) and one for its box (`check_boxes`): no reader has others of its own.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from yolo_plugins.errors import UsageError

Report = Callable[[str], None]  # takes one sentence on a fault: file, place, value, remedy
OTHERS = ("ignore", "background")
OTHERS_REMEDY = "name it in metainfo=dict(classes=...), or leave such objects out by others='background' or 'ignore'"
OTHER_CLASS = -1  # the label of an object of another class that scoring shall ignore

# Pixels by which a box may leave its picture without being a fault: 0-based writers start at 0 instead of 1.
_BORDER_TOLERANCE = 1.0
_BOX_FAULTS = [
    "box {box} is not four numbers",
    "inverted box {box}",
    "box {box} is outside the {size} picture by more than a pixel; correct it, or say in the data set clip=True",
]
_SHOWN_NAMES = 5  # of other classes


def refuse(fault: str) -> None:
    """The `Report` of a training: the first fault ends it. A check of the files gathers them instead and reads on."""
    raise UsageError(fault)


@contextmanager
def reporting(report: Report) -> Iterator[None]:
    """Reports a fault that leaves nothing of what is read inside the block."""
    try:
        yield
    except UsageError as error:
        report(str(error))


@dataclass(frozen=True)
class Annotation:
    """The objects of one picture.

    Attributes:
        filename: Name of the picture's file, as the annotation states it.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
        bboxes: (n, 4) float32 xyxy, 0-based continuous pixels within [0, width] x [0, height].
        labels: (n,) int64 index into the classes; `OTHER_CLASS` for an object of none of them, always difficult.
        difficult: (n,) bool, True where scoring ignores the object: VOC's difficult ones, COCO's crowds.
        without_area: How many boxes without area were left out.
        others: The class of each object that is of another class, whether it was left out or not.
    """

    filename: str
    width: int
    height: int
    bboxes: np.ndarray
    labels: np.ndarray
    difficult: np.ndarray
    without_area: int = 0
    others: tuple[str, ...] = ()


def label_classes(
    names: Sequence[str], classes: Sequence[str], others: str | None
) -> tuple[np.ndarray, np.ndarray, dict[int, str]]:
    """The rule for classes: those that are not asked for are a fault unless `others` says what becomes of them.

    Args:
        names: Class of each object.
        classes: Classes that are asked for.
        others: What becomes of objects of other classes: "background" leaves them out; "ignore" keeps them as objects
            that scoring ignores; None makes them a fault.

    Returns:
        (n,) int64 index into `classes`, `OTHER_CLASS` where it is none of them; (n,) bool, whether to keep the object;
        what is wrong, by place; the remedy is `OTHERS_REMEDY`.
    """
    index = {name: label for label, name in enumerate(classes)}
    labels = np.array([index.get(name, OTHER_CLASS) for name in names], dtype=np.int64)
    is_other = labels == OTHER_CLASS
    if others is not None:
        return labels, ~is_other | (others == "ignore"), {}
    return labels, ~is_other, {k: f"unknown class {names[k]!r}" for k in np.flatnonzero(is_other).tolist()}


def check_boxes(
    bboxes: np.ndarray, sizes_wh: np.ndarray, clip: bool, shown: Callable[[int], object], inclusive: bool = False
) -> tuple[np.ndarray, np.ndarray, dict[int, str]]:
    """The rule for boxes.

    A box that is not four finite numbers or is inverted is a fault, and so, unless `clip`, is one that leaves its
    picture by more than a pixel. All others are clipped to the picture; a box that then has no area is to be left out.

    Args:
        bboxes: (n, 4) float64 xyxy in pixels; NaN where the file has no number.
        sizes_wh: (n, 2) width and height of each box's picture in pixels.
        clip: Whether boxes may leave their picture.
        shown: The box at a place as its file writes it.
        inclusive: Whether both corners are pixels of the box, the first pixel being 1, as VOC has it.

    Returns:
        (n, 4) float32 boxes within their pictures; (n,) bool, whether they have an area; what is wrong, by place.
    """
    inverted = (bboxes[:, 2:] < bboxes[:, :2]).any(1)
    if inclusive:
        bboxes = bboxes - [1, 1, 0, 0]  # the area that the pixels cover
    borders = np.tile(sizes_wh, 2)  # (n, 2) -> (n, 4)
    clipped = np.clip(bboxes, 0, borders).astype(np.float32)
    has_area = (clipped[:, 2] > clipped[:, 0]) & (clipped[:, 3] > clipped[:, 1])
    outside = ((bboxes < -_BORDER_TOLERANCE) | (bboxes > borders + _BORDER_TOLERANCE)).any(1) & (not clip)
    kinds = np.select([~np.isfinite(bboxes).all(1), inverted, outside], _BOX_FAULTS, "")
    faults = {}
    for k in np.flatnonzero(kinds).tolist():
        size = "x".join(f"{side:g}" for side in sizes_wh[k])
        faults[k] = str(kinds[k]).format(box=shown(k), size=size)
    return clipped, has_area, faults


def check_classes(classes: Any, others: str | None) -> None:
    """Refuses what cannot be a list of classes, and an unknown `others`.

    Raises:
        UsageError: `classes` is no list of different names, such as the one text that `("person")` is.
    """
    is_list = isinstance(classes, list | tuple) and all(isinstance(name, str) for name in classes)
    if not is_list or not classes or len(set(classes)) < len(classes):
        raise UsageError(f"metainfo.classes={classes!r} is no list of different names; write classes=('person', 'car')")
    if others not in (None, *OTHERS):
        raise UsageError(f"others={others!r} is unknown; give one of {', '.join(OTHERS)}, or None to refuse them")


def describe_left_out(annotations: Sequence[Annotation], others: str | None) -> str:
    """One line on what the readers left out, or kept to be ignored; empty where that is nothing."""
    without_area = sum(annotation.without_area for annotation in annotations)
    names = Counter(name for annotation in annotations for name in annotation.others)
    parts = [f"left out {without_area} boxes without area"] if without_area else []
    if names:
        shown = [f"{name} {count}" for name, count in names.most_common(_SHOWN_NAMES)]
        shown += ["..."] if len(names) > _SHOWN_NAMES else []
        verb = "left out" if others == "background" else "ignored"
        parts.append(f"{verb} {names.total()} objects of other classes ({', '.join(shown)})")
    return "; ".join(parts)
