"""Which detection counts as true: the matching rules of VOC and of COCO, for all images and thresholds at once.

Sources: VOC development kit; COCO's bounding-box evaluation (pycocotools).
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

COCO_MAX_DETECTIONS = 100  # per image and class (COCO, maxDets)
_COCO_MAX_THRESHOLD = 1 - 1e-10  # COCO lets a perfect box pass a threshold of 1 in spite of rounding

# outcome of a detection at one threshold
FALSE, TRUE, IGNORED = 0, 1, 2

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_Outcome = tuple[NDArray[np.int8], NDArray[np.int32]]


@dataclass(frozen=True)
class Boxes:
    """N boxes; `group` numbers the (image, class) cells, image-major."""

    group: Ints  # (N,)
    labels: Ints  # (N,)
    bboxes: Floats  # (N, 4) xyxy
    values: NDArray[Any]  # (N,) difficult (bool) of ground truth, score (float64) of detections
    rows: Ints  # (N,) places in the input

    def __len__(self) -> int:
        return len(self.group)

    def take(self, index: NDArray[Any]) -> "Boxes":
        """The boxes at these places, or where a mask is true."""
        return Boxes(*(column[index] for column in (self.group, self.labels, self.bboxes, self.values, self.rows)))


@dataclass(frozen=True)
class Matches:
    """What became of N detections of I pictures at T IoU thresholds; AP, whatever the pictures' weights, follows.

    Attributes:
        mode: How AP is computed, see `evaluate_detections`.
        iou_thresholds: (T,) float64.
        images: (I,) ids of the pictures that have a box, sorted.
        num_classes: K.
        truth: The ground truth, by picture and class.
        found: The detections by class, then falling score: (N,), without those beyond COCO's limit.
        outcome: (T, N) FALSE, TRUE or IGNORED.
        partner: (T, N) place in `truth` of the object that a TRUE detection is right about; -1 for all others.
        n_det: (K,) detections, with those beyond the limit.
    """

    mode: str
    iou_thresholds: Floats
    images: NDArray[Any]
    num_classes: int
    truth: Boxes
    found: Boxes
    outcome: NDArray[np.int8]
    partner: NDArray[np.int32]
    n_det: Ints

    @property
    def n_gt(self) -> Ints:
        """(K,) ground truths that are not difficult."""
        return np.bincount(self.truth.labels[~self.truth.values], minlength=self.num_classes)

    def image_of(self, boxes: Boxes) -> NDArray[Any]:
        """(n,) id of the picture of each of these boxes, `truth` or `found` or some of them."""
        return self.images[boxes.group // self.num_classes]

    def class_slices(self) -> list[slice]:
        """Where the detections of each class stand in `found`."""
        return [slice(*ends) for ends in pairwise(np.searchsorted(self.found.labels, np.arange(self.num_classes + 1)))]


@dataclass(frozen=True)
class _Pairs:
    """P pairs (detection, ground truth) of one image and class, sorted by detection, then ground truth."""

    det: Ints  # (P,)
    gt: Ints  # (P,)


def index_of_half(thresholds: Floats) -> int | None:
    """Position of IoU 0.5 among the thresholds, None where it is not among them."""
    at = np.flatnonzero(np.isclose(thresholds, 0.5))
    return int(at[0]) if len(at) else None


def in_rank_order(found: Boxes) -> Boxes:
    """Detections by class, then falling score, then image, then input position."""
    order = np.argsort(found.group, kind="stable")
    order = order[np.argsort(-found.values[order], kind="stable")]
    return found.take(order[np.argsort(found.labels[order], kind="stable")])


def _rank_in_group(group: Ints) -> Ints:
    """(N,) how many earlier entries have the same number."""
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(group)) - np.searchsorted(ordered, ordered, side="left")
    return rank


def keep_best_of_group(found: Boxes, count: int) -> Boxes:
    """The first `count` detections of each image and class."""
    return found.take(_rank_in_group(found.group) < count)


def _pair(truth: Boxes, found: Boxes) -> _Pairs:
    """Every detection with every ground truth of its image and class; `truth` is sorted by group."""
    start = np.searchsorted(truth.group, found.group, side="left")
    count = np.searchsorted(truth.group, found.group, side="right") - start
    det = np.repeat(np.arange(len(found)), count)
    first_pair = np.cumsum(count) - count
    return _Pairs(det, np.arange(len(det)) + (start - first_pair)[det])


def _overlap(truth: Boxes, found: Boxes, pairs: _Pairs, margin: float) -> tuple[Floats, Floats, Floats]:
    """(P,) intersection, detection area and ground-truth area of each pair; `margin` is added to every side."""
    a, b = found.bboxes[pairs.det], truth.bboxes[pairs.gt]
    sides = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]) + margin
    np.maximum(sides, 0, out=sides)
    return sides[:, 0] * sides[:, 1], _areas(found.bboxes, margin)[pairs.det], _areas(truth.bboxes, margin)[pairs.gt]


def _areas(bboxes: Floats, margin: float) -> Floats:
    sides = np.maximum(bboxes[:, 2:] - bboxes[:, :2] + margin, 0)
    return sides[:, 0] * sides[:, 1]


def safe_ratio(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """`part / whole`, and 0 where whole is 0."""
    return np.divide(part, whole, out=np.zeros(np.shape(part)), where=whole > 0)


def overlaps_in_pictures(truth: Boxes, found: Boxes, num_classes: int) -> tuple[Ints, Ints, Floats]:
    """Every detection with every object of its picture, of whatever class; `truth` is sorted by group.

    Returns:
        (P,) place of the detection; (P,) place of the object; (P,) their IoU.
    """
    truth, found = (replace(boxes, group=boxes.group // num_classes) for boxes in (truth, found))
    pairs = _pair(truth, found)
    inter, det_area, gt_area = _overlap(truth, found, pairs, margin=0)
    return pairs.det, pairs.gt, safe_ratio(inter, det_area + gt_area - inter)


def match_voc(truth: Boxes, found: Boxes, thresholds: Floats, margin: float) -> _Outcome:
    """(T, N) outcome and partner of each detection under VOC's rule."""
    pairs = _pair(truth, found)
    outcome, partner = _nothing_matched(len(thresholds), len(found))
    if not len(pairs.det):
        return outcome, partner
    inter, det_area, gt_area = _overlap(truth, found, pairs, margin)
    iou = safe_ratio(inter, det_area + gt_area - inter)
    starts = np.flatnonzero(np.diff(pairs.det, prepend=-1))
    det = pairs.det[starts]
    best_iou = np.maximum.reduceat(iou, starts)
    is_best = iou == np.repeat(best_iou, np.diff(starts, append=len(iou)))
    best_gt = np.minimum.reduceat(np.where(is_best, pairs.gt, len(truth)), starts)
    for row, partners, threshold in zip(outcome, partner, thresholds, strict=True):
        hit = best_iou >= threshold
        hit_det, hit_gt = det[hit], best_gt[hit]
        winner = np.full(len(truth), len(found))  # rank order: the smallest index has the highest score
        np.minimum.at(winner, hit_gt, hit_det)
        ignored = truth.values[hit_gt]
        true = (winner[hit_gt] == hit_det) & ~ignored
        row[hit_det[true]], row[hit_det[ignored]] = TRUE, IGNORED
        partners[hit_det[true]] = hit_gt[true]
    return outcome, partner


def match_coco(truth: Boxes, found: Boxes, thresholds: Floats) -> _Outcome:
    """(T, N) outcome and partner of each detection under COCO's rule.

    Groups are independent, so one step serves the r-th detection of every group, at all thresholds.
    """
    thresholds = np.minimum(thresholds, _COCO_MAX_THRESHOLD)
    outcome, partner = _nothing_matched(len(thresholds), len(found))
    pairs = _pair(truth, found)
    iou = _coco_iou(truth, found, pairs)
    passes = iou >= thresholds.min()
    det, gt, iou = pairs.det[passes], pairs.gt[passes], iou[passes]
    # preference of a detection: ordinary before crowd, then overlap, then (COCO's tie rule) the later ground truth
    order = np.lexsort((-gt, -iou, truth.values[gt], det))
    det, gt, iou = det[order], gt[order], iou[order]
    unique_det, inverse = np.unique(det, return_inverse=True)
    step = _rank_in_group(found.group[unique_det])[inverse]
    order = np.argsort(step, kind="stable")
    det, gt, iou = det[order], gt[order], iou[order]
    crowd = truth.values[gt]
    taken = np.zeros((len(truth), len(thresholds)), bool)
    bounds = np.searchsorted(step[order], np.arange(step.max(initial=-1) + 2))
    for begin, end in pairwise(bounds):
        part = slice(begin, end)
        free = (iou[part, None] >= thresholds) & (crowd[part, None] | ~taken[gt[part]])  # (p, T)
        starts = np.flatnonzero(np.diff(det[part], prepend=-1))
        preference = np.arange(end - begin, 0, -1)[:, None]  # falls along the pairs: the largest is the first choice
        best = np.maximum.reduceat(np.where(free, preference, 0), starts, axis=0)  # (dets of this step, T), 0 for none
        which, at = np.nonzero(best)
        pair = end - best[which, at]
        taken[gt[pair], at] = True
        outcome[at, det[pair]] = np.where(crowd[pair], IGNORED, TRUE)
        partner[at, det[pair]] = np.where(crowd[pair], -1, gt[pair])
    width, height = (found.bboxes[:, 2:] - found.bboxes[:, :2]).T
    outcome[(outcome == FALSE) & (width * height < 0)] = IGNORED  # COCO: area outside the range of "all"
    return outcome, partner


def _nothing_matched(num_thresholds: int, num_found: int) -> _Outcome:
    shape = num_thresholds, num_found
    return np.full(shape, FALSE, np.int8), np.full(shape, -1, np.int32)


def _coco_iou(truth: Boxes, found: Boxes, pairs: _Pairs) -> Floats:
    """(P,) IoU, for crowds intersection over detection area; rounded as COCO does, which stores x, y, w, h."""
    truth, found = _through_xywh(truth), _through_xywh(found)
    inter, det_area, gt_area = _overlap(truth, found, pairs, margin=0)
    return safe_ratio(inter, np.where(truth.values[pairs.gt], det_area, det_area + gt_area - inter))


def _through_xywh(boxes: Boxes) -> Boxes:
    start, end = boxes.bboxes[:, :2], boxes.bboxes[:, 2:]
    return replace(boxes, bboxes=np.concatenate([start, start + (end - start)], 1))
