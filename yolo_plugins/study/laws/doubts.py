"""Whether a power law can be trusted: the models that bend it, uneven scatter, families, values past the scale.

`examine` takes the numbers from a law, a row of fits.csv holds them, and the properties of `Doubts` say which warnings
they call for. Where nothing is wrong each comes in some 5 % of studies; `warning_rates` counts that.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from yolo_plugins.study.laws.alternative_laws import LIMIT_POINTS, theil_sen
from yolo_plugins.study.laws.power_law import LEVEL, Array, PowerLaw

_SIGNIFICANT = 1 - LEVEL
_ROBUST_POINTS = 4  # of fewer, one outlier moves the median of the slopes of all pairs
_SPREAD_POINTS = 9  # of fewer, the test of the spread is true to its 5 % no more, and sees little
_EXACT = 1e-12  # in ln y: residuals below it are rounding
_ONE_CARRIES = 0.5  # share of the squares of ln x


@dataclass(frozen=True)
class Doubts:
    """What a law's residuals say against it; None where that cannot be computed. Fields are columns of fits.csv.

    Attributes:
        n: Models of the law.
        exponent: Its exponent.
        exponent_stderr: The standard error of that.
        theil_sen_exponent: The exponent of the robust line.
        max_leverage: Largest leverage of any model.
        influence_ratio: y of the most influential model, of the largest Cook's distance, over what the others expect.
        influence_p: Probability that some model of n lies as far off its line by chance: by Student's t, times n.
        spread_trend: How the squared residuals change with ln x, in their mean for a factor e.
        spread_p: Probability of as much of a trend where all scatter alike, by Koenker's test.
        families_share: Share of the variance about the line that is between families, the intraclass correlation.
        families_p: Probability of families that differ as much where all models scatter alike, by the F test.
        effective_n: Independent models that tell as much as n models of such families.
        highest_y: Largest y that the 95 % prediction intervals at the ends of the fitted range hold.
    """

    n: int
    exponent: float
    exponent_stderr: float
    theil_sen_exponent: float
    max_leverage: float
    influence_ratio: float | None
    influence_p: float | None
    spread_trend: float | None
    spread_p: float | None
    families_share: float | None
    families_p: float | None
    effective_n: float | None
    highest_y: float

    @property
    def is_bent(self) -> bool:
        """Whether the robust exponent is farther from the exponent than in 95 % of studies of n models on one line.

        The bound, in standard errors, is the 95 % quantile in simulated studies of 6 to 76 models, to 3 %.
        """
        bound = 0.3 + 2.1 / math.sqrt(self.n)
        return self.has_robust and abs(self.theil_sen_exponent - self.exponent) > max(
            bound * self.exponent_stderr, _EXACT
        )

    @property
    def has_robust(self) -> bool:
        """Whether there are models enough for the robust exponent to be robust."""
        return self.n >= _ROBUST_POINTS

    @property
    def is_influenced(self) -> bool:
        """Whether the most influential model lies off the line of the others."""
        return _is_significant(self.influence_p)

    @property
    def rests_on_one(self) -> bool:
        """Whether one model has more of the squares of ln x, on which the slope rests, than all others together."""
        return self.max_leverage - 1 / self.n > _ONE_CARRIES

    @property
    def is_uneven(self) -> bool:
        """Whether the models scatter more widely at one end than at the other."""
        return _is_significant(self.spread_p)

    @property
    def is_clustered(self) -> bool:
        """Whether families lie above or below the line as a whole."""
        return _is_significant(self.families_p)

    @property
    def too_few_for_limit(self) -> bool:
        """Whether the models are too few to tell whether the curve levels off."""
        return self.n < LIMIT_POINTS

    def passes(self, limit: float | None) -> bool:
        """Whether a prediction within the fitted range holds values above the end of the scale; None is no end."""
        return limit is not None and self.highest_y > limit


def examine(law: PowerLaw, families: Sequence[str]) -> Doubts:
    """Takes the numbers from a law.

    Args:
        law: The law.
        families: Of each of its models.
    """
    is_exact = law.residual_sd <= _EXACT
    ratio, influence_p = (None, None) if is_exact else _influence(law)
    trend, spread_p = (None, None) if is_exact else _spread(law)
    share, families_p, effective_n = (None, None, None) if is_exact else _families(law, families)
    return Doubts(
        *(law.n, law.exponent, law.exponent_stderr, theil_sen(law).exponent, max(law.leverages)),
        *(ratio, influence_p, trend, spread_p, share, families_p, effective_n),
        highest_y=max(law.predict(x).high for x in (law.x_min, law.x_max)),
    )


def doubts_of(row: pd.Series) -> Doubts:
    """What a row of fits.csv holds of them."""
    found: dict[str, Any] = {field.name: row[field.name] for field in fields(Doubts)}
    found |= {name: None for name, value in found.items() if pd.isna(value)}
    return Doubts(**found)


def warnings_of(doubts: Doubts, limit: float | None) -> dict[str, bool]:
    """Each warning by its name, and whether it comes.

    Args:
        doubts: From `examine`.
        limit: The end of the scale of y, 1 for a score.
    """
    return {
        "families": doubts.is_clustered,
        "influence": doubts.is_influenced,
        "robust slope": doubts.is_bent,
        "leverage": doubts.rests_on_one,
        "spread": doubts.is_uneven,
        "bounds": doubts.passes(limit),
        "few for a limit": doubts.too_few_for_limit,
    }


def warns(law: PowerLaw, families: Sequence[str], limit: float | None) -> bool:
    """Whether a report warns of a law, of anything but too few models for a limit; arguments as above."""
    found = warnings_of(examine(law, families), limit)
    return any(comes for name, comes in found.items() if name != "few for a limit")


def _is_significant(p: float | None) -> bool:
    return p is not None and p < _SIGNIFICANT


def _influence(law: PowerLaw) -> tuple[float | None, float | None]:
    """Ratio and p of the most influential model, by its residual from the others' line (Cook & Weisberg, 1982)."""
    dof = law.n - 3
    most = law.names.index(law.most_influential)
    rest = 1 - law.leverages[most]
    squares = law.residual_sd**2 * law.residual_dof - law.residuals[most] ** 2 / rest if rest > 1e-9 else 0.0
    if dof < 1 or squares <= 1e-9 * law.residual_sd**2:
        return None, None
    t = law.residuals[most] / math.sqrt(rest * squares / dof)
    p = min(1.0, 2 * law.n * float(stats.t.sf(abs(t), dof)))
    return math.exp(law.residuals[most] / rest), p


def _spread(law: PowerLaw) -> tuple[float | None, float | None]:
    """Trend and p of the squared residuals, each freed of its leverage: Koenker's test (1981), by Student's t."""
    if law.n < _SPREAD_POINTS or max(law.leverages) > 1 - 1e-9:
        return None, None
    squares = np.square(law.residuals) / (1 - np.array(law.leverages))
    trend = stats.linregress(np.log(law.x), squares / squares.mean())
    return float(trend.slope), float(trend.pvalue)


def _families(law: PowerLaw, families: Sequence[str]) -> tuple[float | None, float | None, float | None]:
    """Share, p and effective number of models; the families are levels of one line (one-way analysis of covariance)."""
    names, codes = np.unique(np.asarray(families, str), return_inverse=True)
    dof = law.n - len(names) - 1
    if len(names) < 2 or dof < 1:
        return None, None, None
    levels = np.eye(len(names))[codes]
    residuals, log_x = _within(law.residuals, levels), _within(np.log(law.x), levels)
    if (squares_x := float(log_x @ log_x)) == 0:
        return None, None, None
    inside = (float(residuals @ residuals) - float(log_x @ residuals) ** 2 / squares_x) / dof
    if inside <= 1e-12 * law.residual_sd**2:
        return None, None, None
    between = (law.residual_sd**2 * law.residual_dof - inside * dof) / (len(names) - 1)
    sizes = levels.sum(axis=0)
    typical = (law.n - float(sizes @ sizes) / law.n) / (len(names) - 1)
    own = max(0.0, (between - inside) / typical)
    share = own / (own + inside)
    effective = law.n / (1 + (float(sizes @ sizes) / law.n - 1) * share)
    return share, float(stats.f.sf(between / inside, len(names) - 1, dof)), effective


def _within(values: ArrayLike, levels: Array) -> Array:
    """Values less the mean of their family."""
    values = np.asarray(values, float)
    return values - levels @ (values @ levels / levels.sum(axis=0))
