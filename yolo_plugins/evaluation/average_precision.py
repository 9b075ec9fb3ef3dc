"""Average precision, precision and recall of boxes, on plain arrays: numpy only, all images and thresholds at once.

Sources: VOC development kit 2007 ("11point") and 2010 ("area"), both with its matching and its difficult objects;
COCO's bounding-box evaluation ("coco101"). The operating point of precision and recall is YOLOv5's (v7.0).
Equal scores count in the order (image, position in the input), so shuffling images changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from yolo_plugins.errors import UsageError
from yolo_plugins.evaluation.matching import (
    COCO_MAX_DETECTIONS,
    FALSE,
    IGNORED,
    TRUE,
    Boxes,
    Floats,
    Ints,
    Matches,
    in_rank_order,
    index_of_half,
    keep_best_of_group,
    match_coco,
    match_voc,
    safe_ratio,
)

MODES = ("area", "11point", "coco101")
# what is stated of each class and of their mean, and how a table calls it
SCORES = {"ap50": "AP50", "ap50_95": "AP50-95", "precision": "P", "recall": "R", "recall_max": "Rmax"}
# COCO's ten, as linspace computes them: the ninth is one rounding step below 0.9
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)

# recalls at which precision is read; k * step as all references compute them, so that 0.3 is 0.30000000000000004
RECALL_POINTS = {"11point": np.arange(11) * 0.1, "coco101": np.arange(101) * 0.01}
_CONFIDENCES = np.linspace(0, 1, 1000)  # where YOLOv5 v7.0 samples precision and recall
_SMOOTHING = 101  # samples: YOLOv5 v7.0 smooths mean F1 by a running mean over a tenth of the confidence axis


@dataclass(frozen=True)
class DetectionScores:
    """Scores of K classes at T IoU thresholds, as fractions 0..1; nan wherever a class has no ground truth.

    Attributes:
        iou_thresholds: (T,) float64.
        ap: (K, T) average precision.
        n_gt: (K,) ground truths that are not difficult.
        n_det: (K,) detections.
        n_tp: (K, T) true positives among them.
        n_fp: (K, T) false positives; the rest of the detections are ignored.
        precision_per_class: (K,) at `confidence`, IoU 0.5.
        recall_per_class: (K,) at `confidence`, IoU 0.5.
        recall_max_per_class: (K,) recall of all detections, IoU 0.5.
        confidence: the score 0..1 at which the smoothed mean F1 of the classes with ground truth is largest, IoU 0.5.

    The means below leave classes without ground truth out. They are nan when there is no ground truth at all, or when
    the IoU thresholds that their name speaks of were not evaluated.
    """

    iou_thresholds: Floats
    ap: Floats
    n_gt: Ints
    n_det: Ints
    n_tp: Ints
    n_fp: Ints
    precision_per_class: Floats
    recall_per_class: Floats
    recall_max_per_class: Floats
    confidence: float

    @property
    def ap50_per_class(self) -> Floats:
        """(K,) AP at IoU 0.5."""
        index = index_of_half(self.iou_thresholds)
        return np.full(len(self.ap), np.nan) if index is None else self.ap[:, index]

    @property
    def ap50_95_per_class(self) -> Floats:
        """(K,) mean AP over the ten IoU thresholds 0.50, 0.55 ... 0.95."""
        is_standard = self.iou_thresholds.shape == (10,) and np.allclose(self.iou_thresholds, IOU_THRESHOLDS)
        return self.ap.mean(1) if is_standard else np.full(len(self.ap), np.nan)

    @property
    def ap50(self) -> float:
        """Mean over classes of AP at IoU 0.5."""
        return _mean(self.ap50_per_class)

    @property
    def ap50_95(self) -> float:
        """Mean over classes and the ten IoU thresholds 0.50, 0.55 ... 0.95 of AP."""
        return _mean(self.ap50_95_per_class)

    @property
    def precision(self) -> float:
        """Mean over classes of precision at `confidence`, IoU 0.5."""
        return _mean(self.precision_per_class)

    @property
    def recall(self) -> float:
        """Mean over classes of recall at `confidence`, IoU 0.5."""
        return _mean(self.recall_per_class)

    @property
    def recall_max(self) -> float:
        """Mean over classes of the recall of all detections, IoU 0.5."""
        return _mean(self.recall_max_per_class)

    def per_class(self, classes: Sequence[str]) -> dict[str, dict[str, float]]:
        """The scores of each class by its name.

        Args:
            classes: K names.

        Returns:
            For each name `objects` (not difficult), `found` (detections), and the five of `SCORES`.
        """
        columns = {"objects": self.n_gt, "found": self.n_det}
        columns |= {name: getattr(self, f"{name}_per_class") for name in SCORES}
        return {name: {key: values[k].item() for key, values in columns.items()} for k, name in enumerate(classes)}


def evaluate_detections(
    gt: Mapping[str, ArrayLike],
    detections: Mapping[str, ArrayLike],
    num_classes: int,
    mode: str = "area",
    iou_thresholds: ArrayLike = IOU_THRESHOLDS,
    inclusive_pixels: bool = False,
) -> DetectionScores:
    """Scores detections against ground truth.

    Matching of "area" and "11point" (VOC): a detection goes to the ground truth of its image and class that it overlaps
    most, the first of equals; it is false below the threshold or when a better-scored detection has taken that ground
    truth, and ignored when that one is difficult. Matching of "coco101": by falling score, at most 100 detections per
    image and class, each to the best ground truth still free; difficult ones are COCO's crowds: they match last, any
    number of times, with intersection over detection area, and ignore what they match.

    AP of "area" is the exact area under the precision envelope; of "11point" and "coco101" the mean of the envelope at
    11 and 101 recalls.

    Args:
        gt: `image` (M,) int or str ids, `labels` (M,) int, `bboxes` (M, 4) xyxy pixels, and, if wanted, `difficult`
            (M,) bool.
        detections: `image` (N,), `labels` (N,), `bboxes` (N, 4), `scores` (N,), higher is better. Images that occur
            here only count their detections as false.
        num_classes: K; labels lie in 0..K-1.
        mode: "area" (VOC 2010 and later), "11point" (VOC 2007) or "coco101".
        iou_thresholds: (T,) in (0, 1]; a box passes at equality.
        inclusive_pixels: boxes hold the indices of their first and last pixel, so that widths are x2 - x1 + 1 (the VOC
            development kit). Not with "coco101".

    Returns:
        The scores, see `DetectionScores`. Precision, recall and recall_max are nan unless 0.5 is a threshold.

    Raises:
        UsageError: a missing array, a wrong shape, a label outside 0..K-1, a value that is not finite, a threshold
            outside (0, 1], an unknown mode.
    """
    return score_matches(match_detections(gt, detections, num_classes, mode, iou_thresholds, inclusive_pixels))


def match_detections(
    gt: Mapping[str, ArrayLike],
    detections: Mapping[str, ArrayLike],
    num_classes: int,
    mode: str = "area",
    iou_thresholds: ArrayLike = IOU_THRESHOLDS,
    inclusive_pixels: bool = False,
) -> Matches:
    """Which detections are true; arguments, rules and errors as in `evaluate_detections`."""
    thresholds = _read_thresholds(iou_thresholds)
    if mode not in MODES:
        raise UsageError(f"mode={mode!r} is unknown: give one of {', '.join(MODES)}")
    if mode == "coco101" and inclusive_pixels:
        raise UsageError("inclusive_pixels=True does not go with mode='coco101': COCO has no inclusive pixels")
    truth, found, images = _read_boxes(gt, detections, num_classes)
    n_det = np.bincount(found.labels, minlength=num_classes)
    truth = truth.take(np.argsort(truth.group, kind="stable"))
    found = in_rank_order(found)
    if mode == "coco101":
        found = keep_best_of_group(found, COCO_MAX_DETECTIONS)
        outcome, partner = match_coco(truth, found, thresholds)
    else:
        outcome, partner = match_voc(truth, found, thresholds, margin=float(inclusive_pixels))
    return Matches(mode, thresholds, images, num_classes, truth, found, outcome, partner, n_det)


# --- input


def _read_thresholds(iou_thresholds: ArrayLike) -> Floats:
    thresholds = np.asarray(iou_thresholds, np.float64)
    if thresholds.ndim != 1 or not thresholds.size or not ((thresholds > 0) & (thresholds <= 1)).all():
        raise UsageError(f"iou_thresholds={iou_thresholds!r}: give a list of at least one number in (0, 1]")
    return thresholds


def _read_boxes(
    gt: Mapping[str, ArrayLike], detections: Mapping[str, ArrayLike], num_classes: int
) -> tuple[Boxes, Boxes, NDArray[Any]]:
    """Checked ground truth and detections, in input order, with common group numbers; the sorted ids of images."""
    images, labels, bboxes, values = [], [], [], []
    for name, arrays, extra, dtype in (("gt", gt, "difficult", bool), ("detections", detections, "scores", np.float64)):
        bboxes.append(_read_bboxes(arrays, name))
        n = len(bboxes[-1])
        images.append(_column(arrays, name, "image", n, None))
        labels.append(_read_labels(arrays, name, n, num_classes))
        absent = dtype is bool and arrays.get(extra) is None
        values.append(np.zeros(n, bool) if absent else _column(arrays, name, extra, n, dtype))
    ids, codes = _image_codes(*images)
    groups = [code * num_classes + label for code, label in zip(codes, labels, strict=True)]
    rows = [np.arange(len(part)) for part in labels]
    truth, found = (Boxes(*columns) for columns in zip(groups, labels, bboxes, values, rows, strict=True))
    return truth, found, ids


def _read_bboxes(arrays: Mapping[str, ArrayLike], name: str) -> Floats:
    bboxes = _array(arrays, name, "bboxes", np.float64)
    bboxes = bboxes.reshape(0, 4) if bboxes.size == 0 else bboxes
    if bboxes.ndim != 2 or bboxes.shape[1] != 4:
        raise UsageError(f"{name}['bboxes'] has shape {bboxes.shape}: give (N, 4) xyxy")
    return bboxes


def _read_labels(arrays: Mapping[str, ArrayLike], name: str, n: int, num_classes: int) -> Ints:
    labels = _column(arrays, name, "labels", n, np.int64)
    outside = labels[(labels < 0) | (labels >= num_classes)]
    if len(outside):
        raise UsageError(f"{name}['labels'] holds {outside[0]}: give 0..{num_classes - 1}, or another num_classes")
    return labels


def _array(arrays: Mapping[str, ArrayLike], name: str, key: str, dtype: Any) -> NDArray[Any]:
    """`arrays[key]` as the wanted dtype (None: as it is); integers are not made of floats, and floats are finite."""
    if key not in arrays:
        raise UsageError(f"{name}[{key!r}] is missing")
    values = np.asarray(arrays[key])
    if dtype is None:
        return values
    if not values.size:
        return values.astype(dtype)
    kinds, wanted = {np.int64: ("iu", "integers"), np.float64: ("iuf", "numbers"), bool: ("biu", "booleans")}[dtype]
    if values.dtype.kind not in kinds:
        raise UsageError(f"{name}[{key!r}] has dtype {values.dtype}: give {wanted}")
    if dtype is np.float64 and not np.isfinite(values).all():
        raise UsageError(f"{name}[{key!r}] holds nan or infinity in {np.sum(~np.isfinite(values))} places")
    return values.astype(dtype)


def _column(arrays: Mapping[str, ArrayLike], name: str, key: str, n: int, dtype: Any) -> NDArray[Any]:
    values = _array(arrays, name, key, dtype)
    if values.size == 0 and n == 0:
        values = values.reshape(0)
    if values.shape != (n,):
        raise UsageError(f"{name}[{key!r}] has shape {values.shape}: give ({n},) as {name}['bboxes'] has {n} rows")
    return values


def _image_codes(gt_image: NDArray[Any], det_image: NDArray[Any]) -> tuple[NDArray[Any], Sequence[Ints]]:
    """The sorted ids, and both id columns as places among them."""
    for name, image in (("gt", gt_image), ("detections", det_image)):
        if image.size and image.dtype.kind not in "iuUS":
            raise UsageError(f"{name}['image'] has dtype {image.dtype}: give integers or strings")
    filled = [image for image in (gt_image, det_image) if image.size]
    if len({image.dtype.kind in "US" for image in filled}) > 1:
        raise UsageError("gt['image'] and detections['image'] differ in kind: give integers or strings in both")
    if not filled:
        return np.zeros(0, np.int64), (np.zeros(0, np.int64), np.zeros(0, np.int64))
    ids, codes = np.unique(np.concatenate(filled), return_inverse=True)
    codes = codes.astype(np.int64)
    return ids, (codes[: len(gt_image)], codes[len(gt_image) :])


# --- curves


def score_matches(matches: Matches) -> DetectionScores:
    """All scores of matched detections."""
    outcome, found, n_gt = matches.outcome, matches.found, matches.n_gt
    thresholds, half, num_classes = matches.iou_thresholds, index_of_half(matches.iou_thresholds), matches.num_classes
    ap = np.full((num_classes, len(thresholds)), np.nan)
    n_tp, n_fp = np.zeros((2, num_classes, len(thresholds)), np.int64)
    recall_max = np.full(num_classes, np.nan)
    sampled = np.full((2, num_classes, len(_CONFIDENCES)), np.nan)  # precision, recall at each confidence
    for label, part in enumerate(matches.class_slices()):
        true = outcome[:, part] == TRUE
        tp = np.cumsum(true, axis=1)  # (T, n)
        fp = np.cumsum(outcome[:, part] == FALSE, axis=1)
        if part.start < part.stop:
            n_tp[label], n_fp[label] = tp[:, -1], fp[:, -1]
        if not n_gt[label]:
            continue
        precision, recall = tp / np.maximum(tp + fp, 1), tp / n_gt[label]
        ap[label] = _average_precision(precision, recall, true, n_gt[label], matches.mode)
        if half is not None:
            recall_max[label] = recall[half].max(initial=0)
            counted = outcome[half, part] != IGNORED
            sampled[:, label] = _sample(found.values[part][counted], precision[half, counted], recall[half, counted])
    precision_at, recall_at, confidence = _operating_point(sampled)
    return DetectionScores(
        thresholds, ap, n_gt, matches.n_det, n_tp, n_fp, precision_at, recall_at, recall_max, confidence
    )


def _average_precision(precision: Floats, recall: Floats, true: NDArray[np.bool_], n_gt: int, mode: str) -> Floats:
    """(T,) average precision of one class from its (T, n) curves."""
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    if mode == "area":  # recall rises by 1 / n_gt at every true positive, and there only
        return np.where(true, envelope, 0).sum(1) / n_gt
    points = RECALL_POINTS[mode]
    envelope = np.pad(envelope, ((0, 0), (0, 1)))  # 0 beyond the last recall
    return np.array([e[np.searchsorted(r, points)].mean() for e, r in zip(envelope, recall, strict=True)])


def _sample(scores: Floats, precision: Floats, recall: Floats) -> tuple[Floats, Floats]:
    """Precision and recall of one class at each of `_CONFIDENCES`, linear between scores (falling) and flat below."""
    if not len(scores):
        return np.zeros(len(_CONFIDENCES)), np.zeros(len(_CONFIDENCES))
    return (
        np.interp(-_CONFIDENCES, -scores, precision, left=1),
        np.interp(-_CONFIDENCES, -scores, recall, left=0),
    )


def _operating_point(sampled: Floats) -> tuple[Floats, Floats, float]:
    """(K,) precision, (K,) recall and the confidence where mean F1, smoothed, is largest; nan without ground truth."""
    precision, recall = sampled[:, ~np.isnan(sampled[1, :, 0])]
    if not len(recall):
        return sampled[0, :, 0], sampled[1, :, 0], float("nan")
    f1 = safe_ratio(2 * precision * recall, precision + recall).mean(0)
    padded = np.pad(f1, _SMOOTHING // 2, mode="edge")
    best = int(np.convolve(padded, np.full(_SMOOTHING, 1 / _SMOOTHING), mode="valid").argmax())
    return sampled[0, :, best], sampled[1, :, best], float(_CONFIDENCES[best])


def _mean(values: Floats) -> float:
    """Mean of what is not nan; nan when nothing is left."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")
