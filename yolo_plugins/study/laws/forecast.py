"""What an unfinished run will end with, from its own first epochs and the finished runs of the same schedule.

The final value is regressed on what the finished runs had measured at the same epoch: bounded scores on the logit,
others on the log. LC-PFN (Adriaensen et al., 2023) and ifBO (Rakotoarison et al., 2024) extrapolate curves by networks
trained on simulated ones; here the runs beside it, of one schedule, say how a curve goes on.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from yolo_plugins.study.laws.scales import from_line, to_line
from yolo_plugins.study.tables.curves import Curve
from yolo_plugins.study.tables.quantities import Quantity

Array = NDArray[np.float64]
FEWEST = 4  # finished models: a line through three leaves one degree of freedom, whose interval says nothing
_LEVEL = 0.95
_WORST_CONDITION = 1e8  # of sums of squares of standardised columns
_LARGEST_LEVERAGE = 25.0  # of a run so far from the finished ones that a line to there says nothing
_LEAST_STDERR = 1e-9  # where all finished runs end alike


@dataclass(frozen=True)
class Forecast:
    """The final value of one run.

    Attributes:
        expected: Median.
        low: Lower end of the 95 % interval.
        high: Upper end.
        epoch: The last epoch that it is made from.
        predictors: What it is made from, in words.
        runs: Finished runs that the regression is fitted to.
        models: Of these runs, the number of models.
        error: Root mean square of the errors of the same forecast of each finished model, made without its runs:
            differences of a bounded score, of others those of ln y.
        chance_of: The probability of a final value as good as this one, or better.
    """

    expected: float
    low: float
    high: float
    epoch: int
    predictors: str
    runs: int
    models: int
    error: float
    chance_of: Callable[[float], float]


@dataclass(frozen=True)
class Backtest:
    """How well forecasts did of runs whose end is known.

    Attributes:
        runs: How many were forecast.
        held: Of these, how many ended within the 95 % interval.
        error: Root mean square of the errors, as in `Forecast`.
    """

    runs: int
    held: int
    error: float


@dataclass(frozen=True)
class _Fit:
    names: tuple[str, ...]
    center: float  # of the run, on the line's scale
    stderr: float
    dof: int
    left_out: Array  # what each finished run is expected to reach by the others', on the line's scale


def forecast(run: Curve, finished: Sequence[Curve], quantity: Quantity) -> Forecast:
    """The final value of a run, with an interval of Student's t; of the regressions possible the best by leave-one-out.

    Predictors are its last value or its training loss, with or without the cost of the model. Seeds are repeats, so
    the degrees of freedom are counted by models, and models are left out whole. A score at an end of its scale counts
    as half as far from it as the nearest other one.

    Args:
        run: At least one epoch of it.
        finished: Complete runs of the same schedule.
        quantity: What the values of the curves are.

    Raises:
        ValueError: It cannot be said, with the reason.
    """
    epoch = run.epochs
    known = [curve for curve in finished if curve.epochs >= epoch and curve.values[-1] is not None]
    names = np.array([curve.model for curve in known])
    models = len(set(names))
    if not epoch:
        raise ValueError("no epoch is done")
    if models < FEWEST:
        raise ValueError(f"{models} of at least {FEWEST} models with a finished run of the same schedule")
    scale = _Scale(quantity, [value for curve in (*known, run) for value in curve.values])
    final = scale.to_line([curve.values[-1] for curve in known])
    fits = [
        fit
        for predictors in _predictors([*known, run], epoch, scale)
        if (fit := _regress(predictors, final, names)) is not None
    ]
    best = min(fits, key=lambda fit: float(np.mean((fit.left_out - final) ** 2)))
    reach = float(stats.t.ppf((1 + _LEVEL) / 2, best.dof)) * best.stderr
    low, high = scale.from_line(best.center - reach), scale.from_line(best.center + reach)
    errors = scale.to_tell(best.left_out) - scale.to_tell(final)
    sign = 1 if quantity.larger_is_better else -1

    def chance_of(value: float) -> float:
        (line,) = scale.to_line([value])
        return float(stats.t.cdf(sign * (best.center - line) / best.stderr, best.dof))

    return Forecast(
        scale.from_line(best.center),
        low,
        high,
        epoch,
        " and ".join(best.names) or "the mean of the finished runs alone",
        len(known),
        models,
        math.sqrt(float(np.mean(errors**2))),
        chance_of,
    )


def backtest(curves: Sequence[Curve], share: float, quantity: Quantity) -> Backtest:
    """Forecasts each complete run from a first share of its epochs and the runs of all other models.

    Args:
        curves: Complete, of one schedule.
        share: Of the epochs.
        quantity: What the values of the curves are.

    Raises:
        ValueError: A run cannot be forecast, as in `forecast`.
    """
    held, errors = 0, []
    for curve in curves:
        others = [other for other in curves if other.model != curve.model]
        found, final = forecast(curve.until(math.ceil(share * curve.epochs)), others, quantity), curve.values[-1]
        assert final is not None
        held += found.low <= final <= found.high
        errors.append(found.expected - final if quantity.is_score else math.log(found.expected / final))
    return Backtest(len(curves), held, math.sqrt(float(np.mean(np.square(errors)))))


def chance_of_front(run: Curve, finished: Sequence[Curve], quantity: Quantity) -> float:
    """The probability that a run reaches the Pareto front: that it ends better than every finished model as cheap.

    A model is worth the mean of its finished runs; that of the run itself is no rival.

    Args:
        run: As for `forecast`.
        finished: As for `forecast`.
        quantity: As for `forecast`.

    Raises:
        ValueError: It cannot be said, as in `forecast`; or because no model that costs as little has finished.
    """
    rivals: dict[str, list[float]] = {}
    for curve in finished:
        if run.cost is not None and curve.cost is not None and curve.cost <= run.cost and curve.model != run.model:
            rivals.setdefault(curve.model, []).extend(value for value in curve.values[-1:] if value is not None)
    worth = [float(np.mean(values)) for values in rivals.values() if values]
    if not worth:
        raise ValueError("no model that costs as little has finished")
    return forecast(run, finished, quantity).chance_of(max(worth) if quantity.larger_is_better else min(worth))


class _Scale:
    """The scale on which values are regressed: the logit of a bounded score, the log of others.

    Args:
        quantity: What the values are.
        values: All of them, which tell how near the ends of the scale a value is taken to be.

    Raises:
        ValueError: None is inside the scale.
    """

    def __init__(self, quantity: Quantity, values: Sequence[float | None]) -> None:
        self._is_score = quantity.is_score
        top = quantity.high if quantity.high is not None else math.inf
        inside = [value for value in values if value is not None and 0 < value < top]
        if not inside:
            raise ValueError(f"no value of {quantity.title} is inside its scale")
        self._low, self._high = min(inside) / 2, (top + max(inside)) / 2

    def to_line(self, values: Sequence[float | None]) -> Array:
        """NaN where there is no value."""
        found = np.clip(np.array(values, float), self._low, self._high)
        return to_line(found, self._is_score)

    def from_line(self, value: float) -> float:
        return float(from_line(value, self._is_score))

    def to_tell(self, line: Array) -> Array:
        """What errors are told of: the score itself, or the log."""
        return from_line(line, True) if self._is_score else line


def _predictors(curves: Sequence[Curve], epoch: int, scale: _Scale) -> Iterator[dict[str, Array]]:
    """Sets of predictors, each by name; of every curve, the run last."""
    losses = np.array([curve.losses[epoch - 1] for curve in curves])
    measured = [index for index, value in enumerate(curves[-1].values) if value is not None]
    own: list[dict[str, Array]] = [{}]
    if measured:
        at = measured[-1]
        own.append({f"its value at epoch {at + 1}": scale.to_line([curve.values[at] for curve in curves])})
    if (losses > 0).all():
        own.append({f"its training loss at epoch {epoch}": np.log(losses)})
    costs = [curve.cost for curve in curves]
    for columns in own:
        yield columns
        if None not in costs:
            yield columns | {"the cost": np.log(np.array(costs, float))}


def _regress(predictors: dict[str, Array], final: Array, names: NDArray[np.str_]) -> _Fit | None:
    """Least squares; None where it says nothing of the run, or has fewer than 2 degrees of freedom by models."""
    known = np.column_stack([np.empty((len(final) + 1, 0)), *predictors.values()])
    spread = known[:-1].std(axis=0)
    models, place = np.unique(names, return_inverse=True)
    dof = len(models) - 1 - known.shape[1]
    if dof < 2 or not np.isfinite(known).all() or not spread.all():
        return None
    columns = np.column_stack([np.ones(len(known)), (known - known[:-1].mean(axis=0)) / spread])
    x, new = columns[:-1], columns[-1]
    of_model = (place == np.arange(len(models))[:, None]).astype(float)  # (models, runs)
    squares, products = x.T @ x, x.T @ final
    without = squares - np.einsum("mr,ri,rj->mij", of_model, x, x)  # (models, columns, columns)
    if np.linalg.cond(np.concatenate([without, squares[None]])).max() > _WORST_CONDITION:
        return None
    coefficients = np.linalg.solve(without, (products - of_model @ (x * final[:, None]))[..., None])[..., 0]
    center, inverse = np.linalg.solve(squares, products), np.linalg.inv(squares)
    variance = float(np.sum((final - x @ center) ** 2)) / (len(final) - x.shape[1])
    leverage = float(new @ inverse @ new)
    if leverage > _LARGEST_LEVERAGE:
        return None
    left_out = np.sum(x * coefficients[place], axis=1)
    typical = float(np.mean((left_out - final) ** 2))  # more where tails are heavy; the predictors were chosen, too
    stderr = max(math.sqrt(max(variance * (1 + leverage), typical)), _LEAST_STDERR)
    return _Fit(tuple(predictors), float(new @ center), stderr, dof, left_out)
