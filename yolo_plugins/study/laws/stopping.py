"""Which runs of a study to stop early, and what that would have saved in a study whose curves are known.

Successive halving (ASHA: Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020) stops a fixed
share of the runs at each rung. Here a run is judged once, by a forecast that knows its error, and stops where its
chance of reaching the Pareto front is small: where forecasts are poor, few do.
"""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from yolo_plugins.study.laws.forecast import chance_of_front
from yolo_plugins.study.laws.pareto import pareto_front
from yolo_plugins.study.tables.curves import Curve
from yolo_plugins.study.tables.quantities import Quantity

LEAST_CHANCE = 0.05
SHARES = (0.2, 0.3, 0.4)  # of the epochs, after which runs are judged where early stopping is examined


@dataclass(frozen=True)
class Replay:
    """What a study would have been with early stopping.

    Attributes:
        stopped: The epoch that each stopped run ended with, by its place among the curves.
        epochs_saved: Share of all epochs.
        seconds_saved: Share of their time.
        front: Models on the front of all of them, each worth the mean of its runs.
        kept_front: Models on the front of those of which no run was stopped.
    """

    stopped: dict[int, int]
    epochs_saved: float
    seconds_saved: float
    front: frozenset[str]
    kept_front: frozenset[str]


def judge(run: Curve, epochs: int, share: float, finished: Sequence[Curve], quantity: Quantity) -> float | None:
    """The chance of a run to reach the front, by which it stops or not; None as long as it is not to be judged.

    Args:
        run: Unfinished.
        epochs: That it shall have.
        share: Of these, after which it is judged, or later, as soon as enough others have finished.
        finished: Complete runs of the same schedule.
        quantity: What the values of the curves are.
    """
    if run.epochs < math.ceil(share * epochs):
        return None
    try:
        return chance_of_front(run, finished, quantity)
    except ValueError:
        return None


def replay(curves: Sequence[Curve], quantity: Quantity, jobs: int, share: float) -> Replay:
    """Runs a study again, each run judged as in a study with early stopping: once, by what has finished until then.

    Args:
        curves: Complete, of one schedule, with costs and final values, in the order of their start.
        quantity: What their values are.
        jobs: Runs at a time.
        share: As for `judge`.
    """
    waiting = iter(range(len(curves)))
    ends: list[tuple[float, int, int]] = []  # (time, run, its epoch that ends then)
    finished: list[Curve] = []
    chances: dict[int, float] = {}
    stopped: dict[int, int] = {}

    def start(now: float) -> None:
        for run in waiting:
            heapq.heappush(ends, (now + curves[run].seconds[0], run, 1))
            return

    for _ in range(jobs):
        start(0.0)
    while ends:
        now, run, epoch = heapq.heappop(ends)
        curve = curves[run]
        if epoch == curve.epochs:
            finished.append(curve)
            start(now)
            continue
        if run not in chances:
            chance = judge(curve.until(epoch), curve.epochs, share, finished, quantity)
            chances |= {} if chance is None else {run: chance}
        if chances.get(run, 1.0) < LEAST_CHANCE:
            stopped[run] = epoch
            start(now)
        else:
            heapq.heappush(ends, (now + curve.seconds[epoch], run, epoch + 1))
    unseen = [curves[run].seconds[epoch:] for run, epoch in stopped.items()]
    incomplete = {curves[run].model for run in stopped}
    return Replay(
        stopped,
        sum(map(len, unseen)) / sum(curve.epochs for curve in curves),
        sum(map(sum, unseen)) / sum(sum(curve.seconds) for curve in curves),
        _front(curves, quantity),
        _front([curve for curve in curves if curve.model not in incomplete], quantity),
    )


def _front(curves: Sequence[Curve], quantity: Quantity) -> frozenset[str]:
    rows = pd.DataFrame([(curve.model, curve.cost, curve.values[-1]) for curve in curves], columns=list("mxy"))
    means = rows.groupby(["m", "x"], sort=False)["y"].mean().reset_index()
    front = pareto_front(means["x"].tolist(), means["y"].tolist(), means["m"].tolist(), quantity.larger_is_better)
    return frozenset(front.names)
