"""Simulated pictures whose true AP is known: how often do the bootstrap's intervals hold it?

The pictures differ in how easy they are, which all objects of a picture share: that is why pictures are resampled, and
not objects. Their true AP is that of 60,000 of them; samples of a few hundred are scored as a test set would be.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yolo_plugins.evaluation.average_precision import evaluate_detections, match_detections, score_matches
from yolo_plugins.evaluation.bootstrap import LEVEL, draw_resamples, interval, mean_over_classes, resampled_ap
from yolo_plugins.evaluation.matching import Floats, Ints

_POPULATION = 60_000
_SHARES = np.array([0.35, 0.25, 0.2, 0.13, 0.07])  # of the objects, by class: from frequent to rare
_CLASSES = len(_SHARES)
_SPACING = 3000.0  # pixels between the objects of a picture, which do not overlap
_RESAMPLES = 400

_Boxes = dict[str, NDArray]


@dataclass(frozen=True)
class Coverage:
    """Shares of the samples whose 95 % interval holds the true score, over AP50 and AP50-95.

    Attributes:
        classes: (3,) of the single classes: the interval that is used, percentiles, basic bootstrap.
        mean: (3,) of the mean over the classes.
        bias: Mean over the samples of the mean's score minus the truth; AP50, AP50-95.
    """

    classes: Floats
    mean: Floats
    bias: Floats


def assess(
    pictures: int, mode: str, samples: int, seed: int, progress: Callable[[], object] = lambda: None
) -> Coverage:
    """Scores samples of a population and compares their intervals with its score.

    Args:
        pictures: Of a sample.
        mode: Of AP, as in `evaluate_detections`.
        samples: How many.
        seed: Of the samples; the population is always the same.
        progress: Called after every sample.
    """
    gt, found = _population(np.random.default_rng(1))
    truth = evaluate_detections(gt, found, _CLASSES, mode)
    true_scores = _columns(truth.ap)
    rng = np.random.default_rng(seed)
    hits, errors = [], []
    for sample in range(samples):
        chosen = rng.choice(_POPULATION, pictures, replace=False)
        matches = match_detections(_take(gt, chosen), _take(found, chosen), _CLASSES, mode)
        scores = _columns(score_matches(matches).ap)
        ap = resampled_ap(matches, draw_resamples(pictures, _RESAMPLES, sample))
        resampled = np.stack([_columns(row) for row in ap])
        hits.append([_hits(resampled[:, k], scores[k], true_scores[k]) for k in range(len(scores))])
        errors.append(scores - true_scores)
        progress()
    shares = np.mean(hits, axis=0)  # (columns, 3)
    is_mean = np.arange(len(shares)) % (_CLASSES + 1) == _CLASSES
    return Coverage(shares[~is_mean].mean(0), shares[is_mean].mean(0), np.nanmean(errors, axis=0)[is_mean])


def format_coverage(rows: list[tuple[int, str, Coverage]]) -> str:
    """A table for the terminal, one line for each number of pictures and mode, shares in percent."""
    names = [f"{of}, {name}" for of in ("class", "mean") for name in ("used", "percentile", "basic")]
    head = " ".join(f"{name:>17}" for name in names)
    lines = [f"{'pictures':>8} {'mode':<8} {'bias of AP50':>12} {'of AP50-95':>10} {head}"]
    for pictures, mode, row in rows:
        cells = " ".join(f"{100 * share:17.1f}" for share in (*row.classes, *row.mean))
        lines.append(f"{pictures:>8} {mode:<8} {row.bias[0]:>+12.4f} {row.bias[1]:>+10.4f} {cells}")
    return "\n".join(lines)


def _columns(ap: Floats) -> Floats:
    """(2 (K + 1),) AP50 of each class and their mean, then AP50-95 likewise, of (K, T)."""
    parts = [np.append(values, mean_over_classes(values[None])) for values in (ap[:, 0], ap.mean(1))]
    return np.concatenate(parts)


def _hits(resampled: Floats, score: float, truth: float) -> list[bool]:
    """Whether each of three intervals holds the truth."""
    low, high = np.nanquantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    intervals = interval(resampled, score), (low, high), (2 * score - high, 2 * score - low)
    return [start <= truth <= end for start, end in intervals]


def _population(rng: np.random.Generator) -> tuple[_Boxes, _Boxes]:
    ease = rng.normal(size=_POPULATION)
    count = rng.poisson(1.3, _POPULATION) + (rng.random(_POPULATION) < 0.8)
    image = np.repeat(np.arange(_POPULATION), count)
    theme = rng.choice(_CLASSES, _POPULATION, p=_SHARES)  # most objects of a picture are of one class
    others = rng.choice(_CLASSES, len(image), p=_SHARES)
    labels = np.where(rng.random(len(image)) < 0.7, theme[image], others)
    sides = np.exp(rng.normal(4, 0.6, (len(image), 2)))
    start = np.zeros((len(image), 2))
    start[:, 0] = _SPACING * (np.arange(len(image)) - np.repeat(np.cumsum(count) - count, count))
    bboxes = np.concatenate([start, start + sides], axis=1)

    is_found = rng.random(len(image)) < _logistic(1.2 + ease[image] - 0.3 * labels)
    spread = 0.05 * np.exp(rng.normal(0, 0.5, len(image)) - 0.5 * ease[image])
    moved = bboxes + rng.normal(size=bboxes.shape) * spread[:, None] * np.tile(sides, 2)
    scores = _logistic(rng.normal(1, 1.3, len(image)) + 0.5 * ease[image])
    false_image = np.repeat(np.arange(_POPULATION), rng.poisson(np.exp(0.9 - 0.5 * ease)))
    false_labels = rng.choice(_CLASSES, len(false_image), p=_SHARES)
    false_boxes = np.tile([-500.0, 0.0, -450.0, 50.0], (len(false_image), 1))  # on no object
    false_scores = _logistic(rng.normal(-1, 1.3, len(false_image)))
    gt = {"image": image, "labels": labels, "bboxes": bboxes, "difficult": rng.random(len(image)) < 0.05}
    found = {
        "image": np.concatenate([image[is_found], false_image]),
        "labels": np.concatenate([labels[is_found], false_labels]),
        "bboxes": np.concatenate([moved[is_found], false_boxes]),
        "scores": np.concatenate([scores[is_found], false_scores]),
    }
    return tuple(_by_image(arrays) for arrays in (gt, found))  # type: ignore[return-value]


def _logistic(values: Floats) -> Floats:
    return 1 / (1 + np.exp(-values))


def _by_image(arrays: _Boxes) -> _Boxes:
    order = np.argsort(arrays["image"], kind="stable")
    return {name: values[order] for name, values in arrays.items()}


def _take(arrays: _Boxes, chosen: Ints) -> _Boxes:
    """The boxes of these pictures, which are numbered anew; `arrays` are sorted by picture."""
    ends = [np.searchsorted(arrays["image"], chosen, side) for side in ("left", "right")]
    rows = np.concatenate([np.arange(*pair) for pair in zip(*ends, strict=True)])
    taken = {name: values[rows] for name, values in arrays.items()}
    return taken | {"image": np.repeat(np.arange(len(chosen)), ends[1] - ends[0])}
