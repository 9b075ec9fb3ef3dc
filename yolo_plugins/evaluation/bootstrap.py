"""How certain a score is: AP of many resamples of the pictures, from detections that were matched once.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993. A detection is matched within its picture, so a
resample only counts each picture so many times: its detections and objects get that weight, and nothing is matched
again. Copies of a picture stand beside each other in the ranking.
"""

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from yolo_plugins.evaluation.average_precision import RECALL_POINTS
from yolo_plugins.evaluation.matching import IGNORED, TRUE, Floats, Ints, Matches

LEVEL = 0.95  # of every interval
_NORMAL = NormalDist()
_MOST_VALUES = 2**24  # of an array in use: 64 MB of counts


def draw_resamples(num_pictures: int, resamples: int, seed: int = 0) -> NDArray[np.int32]:
    """(R, I) how often each of I pictures is in each of R resamples of I pictures; the same for one seed."""
    if not num_pictures:
        return np.zeros((resamples, 0), np.int32)
    share = np.full(num_pictures, 1 / num_pictures)
    return np.random.default_rng(seed).multinomial(num_pictures, share, size=resamples).astype(np.int32)


def resampled_ap(matches: Matches, counts: NDArray[np.int32]) -> Floats:
    """AP of resamples, as `evaluate_detections` computes it of pictures that are in the set so many times.

    Args:
        matches: Of all pictures, whose ids are 0..I-1.
        counts: (R, I) how often each picture is in each resample.

    Returns:
        (R, K, T); nan where a resample has no object of a class.
    """
    ap = np.full((len(counts), matches.num_classes, len(matches.iou_thresholds)), np.nan)
    images, ordinary = matches.image_of(matches.found), ~matches.truth.values
    truth_images = matches.image_of(matches.truth)
    for label, part in enumerate(matches.class_slices()):
        objects = truth_images[ordinary & (matches.truth.labels == label)]
        outcome = matches.outcome[:, part]
        size = max(1, _MOST_VALUES // max(part.stop - part.start, 1))
        for start in range(0, len(counts), size):
            chunk = np.ascontiguousarray(counts[start : start + size].T)  # (I, r)
            n_gt = chunk[objects].sum(0)
            present = n_gt > 0
            values = _weighted_ap(outcome, images[part], chunk[:, present], n_gt[present], matches.mode)
            ap[start : start + size, label][present] = values
    return ap


def mean_over_classes(ap: Floats) -> Floats:
    """(R,) mean over the classes that occur in each resample of (R, K); nan where none does."""
    occurs = ~np.isnan(ap)
    number = occurs.sum(1)
    return np.where(number > 0, np.where(occurs, ap, 0).sum(1) / np.maximum(number, 1), np.nan)


def interval(resampled: Floats, score: float) -> tuple[float, float]:
    """The bias-corrected percentile interval of a score (Efron 1981), which claims 95 %.

    Resamples of a few pictures have a higher AP than the pictures; that is what the correction is for. How often the
    interval holds the truth is told by yolo-plugins check-statistics.

    Args:
        resampled: (R,) the score of each resample; those without one, nan, are left out.
        score: That of the pictures.

    Returns:
        Its ends; nan where there is no score, or none of a resample.
    """
    values = resampled[~np.isnan(resampled)]
    if not len(values) or np.isnan(score):
        return float("nan"), float("nan")
    below = (np.mean(values < score) + np.mean(values <= score)) / 2
    least = 1 / (2 * len(values))  # a share that the resamples can still tell from 0 and 1
    shift = 2 * _NORMAL.inv_cdf(float(np.clip(below, least, 1 - least)))
    shares = [_NORMAL.cdf(shift + _NORMAL.inv_cdf(end)) for end in ((1 - LEVEL) / 2, (1 + LEVEL) / 2)]
    low, high = np.quantile(values, shares)
    return float(low), float(high)


def probability_better(first: Floats, second: Floats) -> float:
    """Share of the resamples in which the first of two models has the higher score; an equal one is half of each.

    Args:
        first: (R,) its score in each resample.
        second: (R,) that of the other in the same resamples; where either is nan, the resample is left out.
    """
    difference = first - second
    difference = difference[~np.isnan(difference)]
    return float((np.sign(difference) + 1).mean() / 2) if len(difference) else float("nan")


def _weighted_ap(outcome: NDArray[np.int8], images: Ints, counts: NDArray[np.int32], n_gt: Ints, mode: str) -> Floats:
    """(r, T) AP of one class.

    The precision envelope changes, and recall rises, at true detections alone: all others are only counted between
    them.

    Args:
        outcome: (T, n) of its detections in rank order.
        images: (n,) their pictures.
        counts: (I, r) of the pictures.
        n_gt: (r,) objects, at least one.
        mode: As in `evaluate_detections`.
    """
    ap = np.zeros((counts.shape[1], len(outcome)))
    places = np.flatnonzero((outcome == TRUE).any(0))
    if not len(places) or not len(n_gt):
        return ap
    outcome, images = outcome[:, : places[-1] + 1], images[: places[-1] + 1]
    until = np.cumsum(np.add.reduceat(counts[images], np.append(0, places[:-1] + 1)), axis=0)  # detections so far
    for threshold, row in enumerate(outcome):
        at = np.flatnonzero(row[places] == TRUE)
        ignored = np.flatnonzero(row == IGNORED)
        so_far = np.cumsum(np.pad(counts[images[ignored]], ((1, 0), (0, 0))), axis=0)
        counted = until[at] - so_far[np.searchsorted(ignored, places[at])]
        tp = np.cumsum(counts[images[places[at]]], axis=0)
        precision = tp / np.maximum(counted, 1)
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        ap[:, threshold] = (_recall_steps(tp / n_gt, mode) * envelope).sum(0)
    return ap


def _recall_steps(recall: Floats, mode: str) -> Floats:
    """(m, r) share of the recall axis, or of its points, that each true detection is the first to reach."""
    if mode != "area":
        points = RECALL_POINTS[mode]
        recall = np.searchsorted(points, recall, side="right") / len(points)
    return np.diff(recall, axis=0, prepend=0)
