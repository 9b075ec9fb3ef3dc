"""The figures of a report as plain data: `report.json`, from which the page is made, so that both say the same."""

import math
from typing import Any

import numpy as np

from yolo_plugins.evaluation.average_precision import SCORES
from yolo_plugins.evaluation.bootstrap import (
    LEVEL,
    draw_resamples,
    interval,
    mean_over_classes,
    probability_better,
    resampled_ap,
)
from yolo_plugins.evaluation.errors_by_kind import (
    KINDS,
    SIZES,
    Verdicts,
    confusion_matrix,
    count_errors,
    errors_per_picture,
    judge,
)
from yolo_plugins.evaluation.matching import Floats, Ints
from yolo_plugins.results.collect import Tested

RESAMPLES = 1000
BOUNDED = ("ap50", "ap50_95")  # the scores that get an interval
_FEW_PICTURES = 20  # with objects of a class: below that its interval is too short


def verdicts_of(tested: Tested) -> Verdicts:
    """What is right and wrong at the confidence where the mean F1 of the classes is largest."""
    return judge(tested.matches, tested.scores.confidence)


def resample(tested: Tested) -> dict[str, Floats]:
    """Each of `BOUNDED` in the same 1000 resamples of the pictures: (R, K + 1), the last column being their mean."""
    ap = resampled_ap(tested.matches, draw_resamples(len(tested.pictures), RESAMPLES))
    values = {"ap50": ap[:, :, 0], "ap50_95": ap.mean(2)}
    return {name: np.column_stack([column, mean_over_classes(column)]) for name, column in values.items()}


def summarize(tested: Tested, resampled: dict[str, Floats], verdicts: Verdicts) -> dict[str, Any]:
    """All figures of one model.

    Args:
        tested: What was found.
        resampled: From `resample`.
        verdicts: From `verdicts_of`.

    Returns:
        What docs/evaluation.md describes as report.json; nan where there is no score.
    """
    scores, num_classes = tested.scores, len(tested.classes)
    per_class = scores.per_class(tested.classes)
    pictures = _pictures_per_class(tested)
    for k, name in enumerate(tested.classes):
        per_class[name] |= {"pictures": int(pictures[k])} | _intervals(resampled, k, per_class[name])
    mean = {name: getattr(scores, name) for name in SCORES}
    return {
        "model": tested.name,
        "mode": tested.matches.mode,
        "pictures": len(tested.pictures),
        "objects": int(scores.n_gt.sum()),
        "detections": int(scores.n_det.sum()),
        "confidence": scores.confidence,
        "scores": mean | _intervals(resampled, num_classes, mean),
        "classes": per_class,
        "resamples": RESAMPLES,
        "level": LEVEL,
        "sizes": list(SIZES),
        "errors": count_errors(verdicts),
        "confusion": confusion_matrix(verdicts, num_classes).tolist(),
        "speed": vars(tested.speed),
        "notes": _notes(tested, pictures, resampled),
    }


def picture_errors(tested: Tested, verdicts: Verdicts) -> Ints:
    """(I, 5) how many errors of each kind each picture has."""
    return errors_per_picture(verdicts, len(tested.classes), tested.matches.images, len(tested.pictures))


def worst_pictures(errors: Ints, most: int) -> list[int]:
    """Numbers of the pictures with the most errors, the worst first, none without an error."""
    total = errors.sum(1)
    return [int(index) for index in np.argsort(-total, kind="stable")[:most] if total[index]]


def tell_errors(errors: Ints) -> dict[str, int]:
    """One picture's errors by kind, those that it has."""
    return {kind: int(count) for kind, count in zip(KINDS, errors, strict=True) if count}


def compare(first: Tested, second: Tested, resampled: tuple[dict[str, Floats], dict[str, Floats]]) -> dict[str, Any]:
    """How much better the first of two models is, in each score, of all classes and of each.

    Args:
        first: One model.
        second: The other, on the same pictures.
        resampled: From `resample`, of each: they drew the same pictures.

    Returns:
        For each score and "mean" or a class: `first`, `second`, `difference` with its interval `low`, `high`, and
        `probability`, the share of resamples in which the first is better.
    """
    outcome: dict[str, Any] = {}
    for name in BOUNDED:
        pairs = [
            np.append(getattr(tested.scores, f"{name}_per_class"), getattr(tested.scores, name))
            for tested in (first, second)
        ]
        one, other = (values[name] for values in resampled)
        rows = []
        for k in range(len(first.classes) + 1):
            difference = float(pairs[0][k] - pairs[1][k])
            low, high = interval(one[:, k] - other[:, k], difference)
            rows.append(
                {
                    **{"first": float(pairs[0][k]), "second": float(pairs[1][k])},
                    **{"difference": difference, "low": low, "high": high},
                    "probability": probability_better(one[:, k], other[:, k]),
                }
            )
        outcome[name] = {"mean": rows.pop(), "classes": dict(zip(first.classes, rows, strict=True))}
    return outcome


def _intervals(resampled: dict[str, Floats], column: int, scores: dict[str, float]) -> dict[str, float]:
    ends = {name: interval(values[:, column], scores[name]) for name, values in resampled.items()}
    return {
        f"{name}_{end}": value for name, pair in ends.items() for end, value in zip(("low", "high"), pair, strict=True)
    }


def _pictures_per_class(tested: Tested) -> Ints:
    """(K,) pictures that hold objects of each class, not counting difficult ones."""
    truth = tested.matches.truth
    groups = np.unique(truth.group[~truth.values])
    return np.bincount(groups % len(tested.classes), minlength=len(tested.classes))


def _notes(tested: Tested, pictures: Ints, resampled: dict[str, Floats]) -> list[str]:
    """What a reader of the figures has to know of these data, a sentence each."""
    names, notes = np.array(tested.classes), []
    if not tested.scores.n_gt.any():
        notes.append("The test set has no objects, or difficult ones only: there is no average precision.")
    else:
        if (absent := names[pictures == 0]).size:
            notes.append(f"Without objects here, and in no mean: {_listed(absent)}.")
        if (few := names[(pictures > 0) & (pictures < _FEW_PICTURES)]).size:
            notes.append(
                f"Fewer than {_FEW_PICTURES} pictures hold objects of {_listed(few)}: these intervals are too short."
            )
        lacking = np.isnan(resampled["ap50"][:, :-1])[:, pictures > 0].any(1).mean()
        if lacking:
            notes.append(
                f"{math.ceil(100 * lacking)} % of the resamples lack the objects of some class, which is then in no "
                "interval of its own and in no mean, as in the score."
            )
    if not len(tested.matches.found):
        notes.append("Nothing was found in any picture.")
    if len(tested.pictures) == 1:
        notes.append("There is one picture: nothing tells how the scores vary, and every interval is a point.")
    return notes


def _listed(names: np.ndarray) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
