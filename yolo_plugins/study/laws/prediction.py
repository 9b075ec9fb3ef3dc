"""What the laws of a study, read back from fits.csv, say of single models: trained, or known by their cost alone.

A prediction is that of one new model, so it holds the scatter of the models about the line and the uncertainty of the
line. Probabilities are Student's t, on differences of ln y.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import pandas as pd
from scipy import stats

from yolo_plugins.study.laws.power_law import Line, Prediction
from yolo_plugins.study.tables.families import ALL, NOT_YOLOV5, is_yolov5
from yolo_plugins.study.tables.quantities import QUANTITIES
from yolo_plugins.study.tables.schema import is_inside


@dataclass(frozen=True)
class Candidate:
    """A model that is compared.

    Attributes:
        name: Of the model.
        family: As in models.csv.
        cost: Its params, MACs or seconds.
        measured: Its performance, mean over its seeds; None for one that was not trained.
        seeds: Runs that the mean is over; None where that is not known.
    """

    name: str
    family: str
    cost: float
    measured: float | None = None
    seeds: int | None = None


@dataclass(frozen=True)
class Forecast:
    """What the law of one group expects of a model.

    Attributes:
        group: Whose law it is.
        n: Models that the law is fitted to.
        prediction: Median, 95 % interval of one new model, and whether its cost is within the fitted range.
        attainable: What the group's quantile line gives at this cost: what its good models reach.
        tau: The quantile of that line.
    """

    group: str
    n: int
    prediction: Prediction
    attainable: float
    tau: float


@dataclass(frozen=True)
class Verdict:
    """Which of two models is better.

    Attributes:
        basis: `seeds`: measured means against the noise of the seeds; `measured`: what one model measured against the
            law's expectation of the other; `law`: the law alone.
        group: Whose law it is; empty for `seeds`.
        log_ratio: ln of the first model's performance over the second's, measured or expected.
        stderr: Its standard error.
        dof: Degrees of freedom of the standard error.
        probability: Of the first being better.
    """

    basis: str
    group: str
    log_ratio: float
    stderr: float
    dof: int
    probability: float


def law_of(row: pd.Series) -> Line:
    """The line that a row of fits.csv holds."""
    values = {field.name: float(row[field.name]) for field in fields(Line) if field.name != "n"}
    return Line(n=int(row["n"]), **values)


@dataclass(frozen=True)
class SeedNoise:
    """What repeated runs tell of chance.

    Attributes:
        sd: Standard deviation of ln y between the seeds of one model, pooled over the models; by the delta method, the
            standard deviation of y over its mean.
        dof: Runs less models.
    """

    sd: float
    dof: int


def predict_model(fits: pd.DataFrame, family: str, cost: float) -> list[Forecast]:
    """What the law of its own group, where there is one, and the law of all models expect of a model.

    Args:
        fits: The rows of fits.csv of one cost and one performance.
        family: Of the model, as in models.csv.
        cost: In the unit of `x_min`.

    Raises:
        ValueError: The cost is not positive.
    """
    return [
        Forecast(
            row["group"],
            int(row["n"]),
            law_of(row).predict(cost),
            row["upper_coefficient"] * cost ** row["upper_exponent"],
            row["upper_tau"],
        )
        for row in _laws(fits, own_group(fits, family))
    ]


def own_group(fits: pd.DataFrame, family: str) -> str:
    """The narrowest group with a law that a family belongs to; arguments as in `predict_model`."""
    candidates = [family] if is_yolov5(family) else [family, NOT_YOLOV5]
    return next((group for group in candidates if group in set(fits["group"])), ALL)


def seed_noise(models: pd.DataFrame, y: str) -> SeedNoise | None:
    """The noise of the seeds; None where no model was repeated, or its repeats did not differ.

    Args:
        models: Of the schema MODELS.
        y: The performance.
    """
    repeated = models[is_inside(models[y], QUANTITIES[y])].dropna(subset=[f"{y}_sd", "seeds"])
    freedom = repeated["seeds"] - 1
    squares = float((freedom * (repeated[f"{y}_sd"] / repeated[y]) ** 2).sum())
    dof = int(freedom.sum())
    return SeedNoise(math.sqrt(squares / dof), dof) if squares else None


def compare_models(
    fits: pd.DataFrame, noise: SeedNoise | None, y: str, first: Candidate, second: Candidate
) -> list[Verdict]:
    """Which of two models is better, by the best that is known of them.

    Two trained models are compared by what they measured if the noise of the seeds is known, a trained one and an
    untrained one by the measurement and the law, all others by the law.

    Args:
        fits: The rows of fits.csv of one cost and one performance.
        noise: From `seed_noise`.
        y: The performance.
        first: A model.
        second: Another.

    Returns:
        One verdict, or one of the law of their own group, where they share one, and one of the law of all models.
    """
    sign = 1 if QUANTITIES[y].larger_is_better else -1
    if first.measured is None and second.measured is not None:
        return [_turned(verdict) for verdict in compare_models(fits, noise, y, second, first)]
    if first.measured is not None and second.measured is None:
        laws = _laws(fits, own_group(fits, second.family))
        return [_by_measurement(row, sign, first.measured, second.cost) for row in laws]
    if first.measured is not None and second.measured is not None and noise:
        stderr = noise.sd * math.sqrt(1 / (first.seeds or 1) + 1 / (second.seeds or 1))
        return [_verdict("seeds", "", math.log(first.measured / second.measured), stderr, noise.dof, sign)]
    groups = {own_group(fits, candidate.family) for candidate in (first, second)}
    shared = groups.pop() if len(groups) == 1 else ALL
    return [_by_law(row, sign, first.cost, second.cost) for row in _laws(fits, shared)]


def _laws(fits: pd.DataFrame, group: str) -> Iterator[pd.Series]:
    """The rows of a group and of all models."""
    rows = fits.set_index("group", drop=False)
    return (rows.loc[name] for name in dict.fromkeys((group, ALL)))


def _by_measurement(row: pd.Series, sign: int, measured: float, cost: float) -> Verdict:
    """What one model measured against the law's prediction of another."""
    law = law_of(row)
    distance = math.log(cost) - law.mean_log_x
    stderr = law.residual_sd * math.sqrt(1 + 1 / law.n + distance**2 / law.sum_squares_log_x)
    log_ratio = math.log(measured / law.predict(cost).expected)
    return _verdict("measured", row["group"], log_ratio, stderr, law.residual_dof, sign)


def _by_law(row: pd.Series, sign: int, first: float, second: float) -> Verdict:
    """Two new models of one law: its level cancels, its exponent and the scatter of both remain."""
    law = law_of(row)
    distance = math.log(first / second)
    stderr = law.residual_sd * math.sqrt(2 + distance**2 / law.sum_squares_log_x)
    return _verdict("law", row["group"], law.exponent * distance, stderr, law.residual_dof, sign)


def _verdict(basis: str, group: str, log_ratio: float, stderr: float, dof: int, sign: int) -> Verdict:
    return Verdict(basis, group, log_ratio, stderr, dof, float(stats.t.cdf(sign * log_ratio / stderr, dof)))


def _turned(verdict: Verdict) -> Verdict:
    """The same with the models exchanged."""
    return replace(verdict, log_ratio=-verdict.log_ratio, probability=1 - verdict.probability)
