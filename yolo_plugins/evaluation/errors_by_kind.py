"""What is wrong with the detections at one confidence: missed, background, class, place, twice; and what for what.

Kinds after TIDE (Bolya et al. 2020) with its thresholds, IoU 0.5 for an object that is met and 0.1 for one that is
touched; its kind "both" counts as background here.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolo_plugins.evaluation.matching import FALSE, TRUE, Boxes, Ints, Matches, index_of_half, overlaps_in_pictures

MET, TOUCHED = 0.5, 0.1  # IoU
KINDS = ("missed", "background", "class", "place", "twice")
SIZES = ("small", "medium", "large")
SIZE_LIMITS = (32**2, 96**2)  # square pixels of the picture, as COCO divides them; a limit belongs to the larger size
RIGHT = "right"


@dataclass(frozen=True)
class Verdicts:
    """What became of each object and of each detection that is sure enough.

    Attributes:
        truth: (M,) objects that are not difficult.
        truth_kind: (M,) `RIGHT` where it is found; "class" or "place" where only a detection with that fault lies on
            it; "missed" otherwise.
        truth_as: (M,) the class under which it was found: its own; of one with "class", that of the surest detection
            with that fault that named no other object; -1 for all others.
        found: (N,) detections of that score or more which are not ignored, by class, then falling score.
        kind: (N,) `RIGHT` or one of `KINDS`.
        named: (N,) whether the detection gave an object its `truth_as`.
    """

    truth: Boxes
    truth_kind: NDArray[np.str_]
    truth_as: Ints
    found: Boxes
    kind: NDArray[np.str_]
    named: NDArray[np.bool_]


def judge(matches: Matches, confidence: float) -> Verdicts:
    """Says of each detection, at IoU 0.5, whether it is right or what is wrong with it.

    A false detection is, in this order: "twice" on an object of its class (IoU >= 0.5), which a surer one has; "class"
    on one of another class (IoU >= 0.5); "place" near one of its class (IoU >= 0.1); else "background". An object is
    "missed" when no detection is right about it or wrong in class or place only. Difficult objects are not missed, and
    detections on them are ignored, as in the score.

    Args:
        matches: With 0.5 among its thresholds.
        confidence: Least score of the detections that count; all count where it is nan.
    """
    half = index_of_half(matches.iou_thresholds)
    assert half is not None
    outcome = matches.outcome[half]
    counts = ((outcome == TRUE) | (outcome == FALSE)) & ~(matches.found.values < confidence)
    found, partner = matches.found.take(counts), matches.partner[half][counts]
    right = partner >= 0
    det, gt, iou = overlaps_in_pictures(matches.truth, found, matches.num_classes)
    same = found.labels[det] == matches.truth.labels[gt]
    on_class, on_place = ~same & (iou >= MET), same & (iou >= TOUCHED)

    kind = np.full(len(found), "background", dtype="<U10")
    for name, applies in (("place", on_place), ("class", on_class), ("twice", same & (iou >= MET))):
        kind[det[applies]] = name
    kind[right] = RIGHT

    truth_kind = np.full(len(matches.truth), "missed", dtype="<U10")
    truth_as = np.full(len(matches.truth), -1)
    named = right.copy()
    truth_kind[gt[on_place & (kind[det] == "place")]] = "place"
    on_class &= (kind[det] == "class") & ~matches.truth.values[gt]
    truth_kind[gt[on_class]] = "class"
    truth_kind[partner[right]] = RIGHT
    truth_as[partner[right]] = found.labels[right]
    for pair in np.flatnonzero(on_class)[np.argsort(-found.values[det[on_class]], kind="stable")]:
        if truth_as[gt[pair]] < 0 and not named[det[pair]]:  # one detection names one object
            truth_as[gt[pair]], named[det[pair]] = found.labels[det[pair]], True

    ordinary = ~matches.truth.values
    return Verdicts(matches.truth.take(ordinary), truth_kind[ordinary], truth_as[ordinary], found, kind, named)


def confusion_matrix(verdicts: Verdicts, num_classes: int) -> Ints:
    """(K + 1, K + 1) how often an object of class `row` was found as class `column`.

    The last column counts objects that no detection named, the last row detections that named no object: a row's sum is
    the number of objects of a class, a column's that of its detections.
    """
    table = np.zeros((num_classes + 1, num_classes + 1), np.int64)
    np.add.at(table, (verdicts.truth.labels, np.where(verdicts.truth_as < 0, num_classes, verdicts.truth_as)), 1)
    np.add.at(table[-1], verdicts.found.labels[~verdicts.named], 1)
    return table


def size_of(boxes: Boxes) -> Ints:
    """(n,) place of each box's size in `SIZES`, by its area in the picture's pixels."""
    width, height = (boxes.bboxes[:, 2:] - boxes.bboxes[:, :2]).T
    return np.searchsorted(SIZE_LIMITS, width * height, side="right")


def count_errors(verdicts: Verdicts) -> dict[str, list[int]]:
    """How many of each kind, by the size of the object (missed) or of the detection (all others).

    Returns:
        For each of `KINDS`, one number for each of `SIZES`; and so "objects" and "found".
    """
    truth, found = size_of(verdicts.truth), size_of(verdicts.found)
    chosen = {"objects": truth, "found": truth[verdicts.truth_kind == RIGHT]}
    chosen |= {kind: found[verdicts.kind == kind] for kind in KINDS}
    chosen["missed"] = truth[verdicts.truth_kind == "missed"]
    return {name: np.bincount(sizes, minlength=len(SIZES)).tolist() for name, sizes in chosen.items()}


def errors_per_picture(verdicts: Verdicts, num_classes: int, images: NDArray[Any], num_pictures: int) -> Ints:
    """(I, 5) how many errors of each of `KINDS` each picture has.

    Args:
        verdicts: Of all pictures.
        num_classes: K.
        images: Numbers 0..I-1 of the pictures that have a box, as in `Matches`.
        num_pictures: I.
    """
    table = np.zeros((num_pictures, len(KINDS)), np.int64)
    missed = verdicts.truth.group[verdicts.truth_kind == "missed"]
    np.add.at(table[:, 0], images[missed // num_classes], 1)
    for column, kind in enumerate(KINDS[1:], start=1):
        np.add.at(table[:, column], images[verdicts.found.group[verdicts.kind == kind] // num_classes], 1)
    return table
