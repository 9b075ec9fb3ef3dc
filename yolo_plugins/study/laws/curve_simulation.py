"""Simulated studies with learning curves: do forecasts cover what they claim, and what does early stopping cost?

A curve is a course that all share, and a random walk about it which slows down as one over the epoch: so the errors of
forecasts fall from epoch to epoch in docs/results/voc_animals, whose spreads these are. A part of each walk is the
model's, the rest the seed's.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from yolo_plugins.study.laws.forecast import Array, forecast
from yolo_plugins.study.laws.stopping import SHARES, replay
from yolo_plugins.study.tables.curves import Curve
from yolo_plugins.study.tables.quantities import QUANTITIES

_COSTS = (5e8, 50.0)  # MACs, factor: from YOLOv5n to x
_MODEL_SD, _SEED_SD = 0.05, 0.03  # of the log of the final loss
_DROP = 0.37  # of the log of the loss, from the first epoch to the last
_HEAVY_DOF = 3


@dataclass(frozen=True)
class CurveDesign:
    """What the simulated studies have in common.

    Attributes:
        name: In words.
        models: Of a study.
        seeds: Of each model.
        exponent: Of the final loss against the cost; 0 for a study without a trend.
        is_late: Whether the gain by cost comes in the second half of the training only.
        heavy_tails: Whether the walks step as Student's t with 3 degrees of freedom, of the same spread.
        epochs: Of each run.
    """

    name: str
    models: int = 10
    seeds: int = 3
    exponent: float = 0.03
    is_late: bool = False
    heavy_tails: bool = False
    epochs: int = 10


DESIGNS = (
    CurveDesign("a trend"),
    CurveDesign("no trend", exponent=0.0),
    CurveDesign("gain comes late", is_late=True),
    CurveDesign("heavy tails", heavy_tails=True),
    CurveDesign("one seed", models=30, seeds=1),
)
CHECKED = [(design, share) for design in DESIGNS for share in SHARES]


def simulate_curves(design: CurveDesign, seed: int) -> list[Curve]:
    """The runs of a study, model after model in random order of cost; values are the training loss."""
    rng = np.random.default_rng(seed)
    epochs = np.arange(1, design.epochs + 1)
    done = (1 - 1 / epochs) / (1 - 1 / design.epochs)  # share of the way from the first epoch to the last
    gained = np.clip(2 * epochs / design.epochs - 1, 0, 1) if design.is_late else done

    def walk(sd: float) -> Array:
        steps = rng.standard_normal(design.epochs)
        if design.heavy_tails:
            steps = rng.standard_t(_HEAVY_DOF, design.epochs) / np.sqrt(_HEAVY_DOF / (_HEAVY_DOF - 2))
        return sd * np.cumsum(steps * np.sqrt(np.diff(done, prepend=0.0)))

    curves = []
    for model in range(design.models):
        cost = _COSTS[0] * _COSTS[1] ** rng.random()
        course = -_DROP * done - design.exponent * np.log(cost / _COSTS[0]) * gained + walk(_MODEL_SD)
        for number in range(design.seeds):
            losses = tuple((0.2 * np.exp(course + walk(_SEED_SD))).tolist())
            curves.append(Curve(f"model {model}", number, cost, losses, losses, (cost,) * design.epochs))
    return curves


@dataclass(frozen=True)
class StoppingQuality:
    """What many simulated studies say of forecasts and of early stopping.

    Attributes:
        studies: How many.
        coverage: Share of the 95 % intervals that hold the final value; of each study one run is forecast from all
            runs of other models.
        saved: Share of the time saved, mean over the studies.
        front_kept: Share of the studies whose front is the same as without stopping.
        lost: Share of the models on the front that are no longer on it, over all studies.
    """

    studies: int
    coverage: float
    saved: float
    front_kept: float
    lost: float


def assess(
    design: CurveDesign, share: float, studies: int, seed: int = 0, progress: Callable[[], object] = lambda: None
) -> StoppingQuality:
    """Forecasts a run of each study after a share of its epochs, and replays the study, two runs at a time."""
    quantity, held, found = QUANTITIES["train_loss"], [], []
    for number in range(studies):
        curves = simulate_curves(design, seed + number)
        run = curves[0]
        others = [curve for curve in curves if curve.model != run.model]
        told = forecast(run.until(math.ceil(share * run.epochs)), others, quantity)
        held.append(told.low <= run.losses[-1] <= told.high)
        found.append(replay(curves, quantity, 2, share))
        progress()
    return StoppingQuality(
        studies,
        float(np.mean(held)),
        float(np.mean([one.seconds_saved for one in found])),
        float(np.mean([one.front == one.kept_front for one in found])),
        sum(len(one.front - one.kept_front) for one in found) / sum(len(one.front) for one in found),
    )


def format_stopping(rows: Iterable[tuple[CurveDesign, float, StoppingQuality]]) -> str:
    """A table for the terminal, one line for each design and share, in percent."""
    head = f"{'judged after':>12} {'coverage':>9} {'time saved':>11} {'front kept':>11} {'members lost':>13}"
    lines = [f"{'30 runs':<16} {head}"]
    for design, share, quality in rows:
        lines.append(
            f"{design.name:<16} {100 * share:>11.0f}% {100 * quality.coverage:>9.1f} {100 * quality.saved:>11.1f} "
            f"{100 * quality.front_kept:>11.1f} {100 * quality.lost:>13.1f}"
        )
    return "\n".join(lines)
