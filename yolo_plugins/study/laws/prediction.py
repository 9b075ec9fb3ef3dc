"""What the pooled law of a study says of single models: trained, or known by their cost alone.

A score is predicted on its logit, so that no interval leaves 0..1; a loss on its logarithm. Models of the family
`other` have nothing in common, so each is a family of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from yolo_plugins.study.laws.pooled_law import DRAWS, Mixture, Observations, PooledLaw, Target, fit_pooled_law
from yolo_plugins.study.laws.power_law import LEVEL, Array
from yolo_plugins.study.laws.scales import from_line, to_line
from yolo_plugins.study.tables.families import OTHER
from yolo_plugins.study.tables.quantities import QUANTITIES, Quantity
from yolo_plugins.study.tables.schema import is_drawable

ATTAINABLE = 0.9  # share of models like it that stay below what one can attain
FEWEST_TO_CHECK = 5  # models: of fewer, those that are left when one is taken out hardly have a law
_FEWEST = 3  # models
_CURVATURE = 0.1  # prior sd of the coefficient of (ln cost)^2


@dataclass(frozen=True)
class Covariate:
    """What enters a law beside cost, where all models have it and it varies.

    Attributes:
        title: In sentences.
        columns: Of models.csv that it needs.
        value: Of rows with these columns.
        prior_sd: Of its coefficient about 0.
    """

    title: str
    columns: tuple[str, ...]
    value: Callable[[pd.DataFrame], Array]
    prior_sd: float


COVARIATES = (
    Covariate("input size", ("input_h", "input_w"), lambda rows: np.log(rows["input_h"] * rows["input_w"]) / 2, 1.0),
    Covariate("ImageNet top-1", ("backbone_top1",), lambda rows: special.logit(rows["backbone_top1"]), 2.0),
)


@dataclass(frozen=True)
class Forecast:
    """What the law expects of a model.

    Attributes:
        expected: Median.
        low: Lower end of the 95 % interval of the mean of as many runs as the study's models have.
        high: Upper end.
        run_low: Lower end of that of a single run.
        run_high: Upper end.
        attainable: What one in ten such models surpasses.
        outside: The titles of cost and covariates that are outside what the law was fitted to.
    """

    expected: float
    low: float
    high: float
    run_low: float
    run_high: float
    attainable: float
    outside: tuple[str, ...]


class StudyLaw:
    """The pooled law of a table of models, for one cost and one performance.

    Attributes:
        models: The rows that it is fitted to, of the schema MODELS.
        x: Name of the cost.
        y: Name of the performance.
        covariates: What enters beside the cost.
        runs: Seeds of a typical model.
    """

    def __init__(self, models: pd.DataFrame, x: str, y: str, draws: int = DRAWS) -> None:
        """Fits the law.

        Args:
            models: Of the schema MODELS.
            x: Name of a cost.
            y: Name of a performance.
            draws: As for `fit_pooled_law`.

        Raises:
            ValueError: Fewer than 3 models have both inside their scales, or all are of one cost.
        """
        self.models = rows = models[is_drawable(models, x, y)].reset_index(drop=True)
        self.x, self.y = x, y
        if len(rows) < _FEWEST:
            raise ValueError(f"{len(rows)} of at least {_FEWEST} models that a pooled law needs")
        if rows[QUANTITIES[x].column].nunique() < 2:
            raise ValueError(f"{QUANTITIES[x].title} of all {len(rows)} models is the same: two are needed")
        self.covariates = tuple(covariate for covariate in COVARIATES if _tells(covariate, rows))
        self.runs = max(int(rows["seeds"].astype(float).fillna(1).median()), 1)
        names = np.where(rows["family"] == OTHER, f"{OTHER} " + rows["model"], rows["family"])
        self._codes = {name: code for code, name in enumerate(dict.fromkeys(names))}
        families = np.array([self._codes[name] for name in names])
        value = rows[y].to_numpy(float)
        seed_sd = rows[f"{y}_sd"].to_numpy(float, na_value=np.nan) * _slope(value, QUANTITIES[y])
        seeds = rows["seeds"].to_numpy(float, na_value=1.0)
        precisions = [0, 0, _CURVATURE**-2, *(covariate.prior_sd**-2 for covariate in self.covariates)]
        self._observed = Observations(
            self._features(rows), np.array(precisions), to_line(value, QUANTITIES[y].is_score), families, seeds, seed_sd
        )
        self._draws = draws

    @cached_property
    def law(self) -> PooledLaw:
        """On the transformed scale."""
        return fit_pooled_law(self._observed, self._draws)

    @property
    def families(self) -> int:
        """How many levels it pools."""
        return len(self._codes)

    @property
    def noise_dof(self) -> int:
        """Degrees of freedom of the noise of the seeds: runs less models, of those that were repeated."""
        if self.law.given.variances.noise is None:
            return 0
        repeated = ~np.isnan(self._observed.seed_sd)
        return int((self._observed.seeds[repeated] - 1).sum())

    def predict(self, model: Mapping[str, Any]) -> Forecast:
        """What the law expects of a model that is not among its own.

        Args:
            model: Columns of models.csv: family, the cost, what the covariates need.
        """
        target = self._target(model)
        mean, run = (self._interval(self.law.predict(target, runs)) for runs in (self.runs, 1))
        attainable = ATTAINABLE if QUANTITIES[self.y].larger_is_better else 1 - ATTAINABLE
        reached = self._back(self.law.predict(target, self.runs).quantile(attainable))
        return Forecast(mean[1], mean[0], mean[2], run[0], run[2], reached, self.outside(model))

    def interval(self, model: Mapping[str, Any]) -> tuple[float, float, float]:
        """Lower end of the 95 % interval, median and upper end of what many runs of a model tend to, as in `compare`.

        By all that is known of it: of a model of the law's own, by its name, the measurement counts.
        """
        return self._interval(self.law.predict(self._target(model)))

    def outside(self, model: Mapping[str, Any]) -> tuple[str, ...]:
        """The titles of cost and covariates of a model that are outside what the law was fitted to."""
        own, others = self._features(pd.DataFrame([dict(model)]))[0], self._observed.features
        titles = {1: QUANTITIES[self.x].title} | {3 + index: row.title for index, row in enumerate(self.covariates)}
        ends = {index: (others[:, index].min() - 1e-9, others[:, index].max() + 1e-9) for index in titles}
        return tuple(title for index, title in titles.items() if not ends[index][0] <= own[index] <= ends[index][1])

    def place(self, model: Mapping[str, Any], value: float, runs: int) -> float:
        """The probability that the mean of `runs` runs of a model is below a value; otherwise as `predict`."""
        return self.law.predict(self._target(model), runs).below(float(to_line(value, QUANTITIES[self.y].is_score)))

    def compare(self, first: Mapping[str, Any], second: Mapping[str, Any]) -> float:
        """The probability that the first of two models is better, over many runs, by all that is known of both.

        Args:
            first: As for `predict`; a model of the law's own by its name, whose measurement counts.
            second: Another.
        """
        below = self.law.difference(self._target(first), self._target(second)).below(0)
        return 1 - below if QUANTITIES[self.y].larger_is_better else below

    def probability_best(self, models: Sequence[Mapping[str, Any]]) -> Array:
        """(k,): the probability of each of k models to be the best of them; of two, what `compare` says.

        Args:
            models: Each once, as for `compare`.
        """
        sign = 1 if QUANTITIES[self.y].larger_is_better else -1
        return self.law.largest([self._target(model) for model in models], sign)

    def told_by_run(self, model: Mapping[str, Any]) -> float:
        """Share of the variance of what is not known of a model that one more run of it would take away."""
        return self.law.told_by_run(self._target(model))

    def leave_one_out(self) -> pd.DataFrame:
        """What the law of the others says of each model: model, family, measured, predicted, low, high, inside."""
        found = [self._interval(mixture) for mixture in self._left_out]
        low, predicted, high = np.array(found).T
        table = self.models[["model", "family"]].assign(measured=self.models[self.y].astype(float))
        table = table.assign(predicted=predicted, low=low, high=high)
        return table.assign(inside=table["measured"].between(table["low"], table["high"]))

    def calibration(self, levels: tuple[float, ...] = (0.5, 0.8, 0.9, 0.95)) -> pd.DataFrame:
        """Share of the models within the intervals of each level by the law of the others: level, covered."""
        places = np.array([mixture.below(z) for mixture, z in zip(self._left_out, self._observed.z, strict=True)])
        covered = [float((np.abs(places - 0.5) <= level / 2).mean()) for level in levels]
        return pd.DataFrame({"level": levels, "covered": covered})

    @cached_property
    def _left_out(self) -> list[Mixture]:
        """What the law of the others says of each model."""
        return self.law.leave_one_out()

    def _features(self, rows: pd.DataFrame) -> Array:
        log_cost = np.log(rows[QUANTITIES[self.x].column].to_numpy(float)) - self._mean_log_cost
        others = [
            covariate.value(rows.astype(dict.fromkeys(covariate.columns, float))) for covariate in self.covariates
        ]
        return np.column_stack([np.ones(len(rows)), log_cost, log_cost**2, *others])

    @property
    def _mean_log_cost(self) -> float:
        return float(np.log(self.models[QUANTITIES[self.x].column].to_numpy(float)).mean())

    def _target(self, model: Mapping[str, Any]) -> Target:
        rows = np.flatnonzero(self.models["model"] == model["model"])
        name = f"{OTHER} {model['model']}" if model["family"] == OTHER else model["family"]
        features = self._features(pd.DataFrame([dict(model)]))[0]
        return Target(features, self._codes.get(name, name), int(rows[0]) if len(rows) else None)

    def _interval(self, mixture: Mixture) -> tuple[float, float, float]:
        """Low end, median, high end, of the performance."""
        low, middle, high = (self._back(mixture.quantile(p)) for p in ((1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2))
        return low, middle, high

    def _back(self, z: float) -> float:
        return float(from_line(z, QUANTITIES[self.y].is_score))


def _tells(covariate: Covariate, rows: pd.DataFrame) -> bool:
    columns = rows.reindex(columns=list(covariate.columns))
    return bool(columns.notna().all(axis=None)) and len(columns.drop_duplicates()) > 1


def _slope(value: Array, quantity: Quantity) -> Array:
    """Of the transform: what the standard deviation between seeds is multiplied by."""
    return 1 / (value * (1 - value)) if quantity.is_score else 1 / value
