"""Which detection counts as true: the matching rules of VOC and of COCO, for all images and thresholds at once.

Sources: VOC development kit; COCO's bounding-box evaluation (pycocotools).
"""

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Boxes:
    """N boxes; `group` numbers the (image, class) cells, image-major."""

    group: Ints  # (N,)
    labels: Ints  # (N,)
    bboxes: Floats  # (N, 4) xyxy
    values: NDArray[Any]  # (N,) difficult (bool) of ground truth, score (float64) of detections

    def __len__(self) -> int:
        return len(self.group)

    def take(self, index: NDArray[Any]) -> "Boxes":
        """The boxes at these places, or where a mask is true."""
        return Boxes(self.group[index], self.labels[index], self.bboxes[index], self.values[index])


@dataclass(frozen=True)
class _Pairs:
    """P pairs (detection, ground truth) of one image and class, sorted by detection, then ground truth."""

    det: Ints  # (P,)
    gt: Ints  # (P,)


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


def match_voc(truth: Boxes, found: Boxes, thresholds: Floats, margin: float) -> NDArray[np.int8]:
    """(T, N) outcome of each detection under VOC's rule."""
    pairs = _pair(truth, found)
    outcome = np.full((len(thresholds), len(found)), FALSE, np.int8)
    if not len(pairs.det):
        return outcome
    inter, det_area, gt_area = _overlap(truth, found, pairs, margin)
    iou = safe_ratio(inter, det_area + gt_area - inter)
    starts = np.flatnonzero(np.diff(pairs.det, prepend=-1))
    det = pairs.det[starts]
    best_iou = np.maximum.reduceat(iou, starts)
    is_best = iou == np.repeat(best_iou, np.diff(starts, append=len(iou)))
    best_gt = np.minimum.reduceat(np.where(is_best, pairs.gt, len(truth)), starts)
    for row, threshold in zip(outcome, thresholds, strict=True):
        hit = best_iou >= threshold
        hit_det, hit_gt = det[hit], best_gt[hit]
        winner = np.full(len(truth), len(found))  # rank order: the smallest index has the highest score
        np.minimum.at(winner, hit_gt, hit_det)
        row[hit_det] = np.where(winner[hit_gt] == hit_det, TRUE, FALSE)
        row[hit_det[truth.values[hit_gt]]] = IGNORED
    return outcome


def match_coco(truth: Boxes, found: Boxes, thresholds: Floats) -> NDArray[np.int8]:
    """(T, N) outcome of each detection under COCO's rule.

    Groups are independent, so one step serves the r-th detection of every group, at all thresholds.
    """
    thresholds = np.minimum(thresholds, _COCO_MAX_THRESHOLD)
    outcome = np.full((len(thresholds), len(found)), FALSE, np.int8)
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
    width, height = (found.bboxes[:, 2:] - found.bboxes[:, :2]).T
    outcome[(outcome == FALSE) & (width * height < 0)] = IGNORED  # COCO: area outside the range of "all"
    return outcome


def _coco_iou(truth: Boxes, found: Boxes, pairs: _Pairs) -> Floats:
    """(P,) IoU, for crowds intersection over detection area; rounded as COCO does, which stores x, y, w, h."""
    truth, found = _through_xywh(truth), _through_xywh(found)
    inter, det_area, gt_area = _overlap(truth, found, pairs, margin=0)
    return safe_ratio(inter, np.where(truth.values[pairs.gt], det_area, det_area + gt_area - inter))


def _through_xywh(boxes: Boxes) -> Boxes:
    start, end = boxes.bboxes[:, :2], boxes.bboxes[:, 2:]
    return Boxes(boxes.group, boxes.labels, np.concatenate([start, start + (end - start)], 1), boxes.values)
