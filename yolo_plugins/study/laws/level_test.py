"""Two power laws of different models, compared: does one lie above the other, and does it rise as fast?

Analysis of covariance of ln y on ln x with a group (Fisher, 1932): the level with one slope for both lines, the slopes
with one of their own each. Both take the scatter about the two lines as one; `equal_spread_p` tells whether it is.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from yolo_plugins.study.laws.power_law import LEVEL, Array, Interval, PowerLaw

_EXACT = 1e-24  # of the variance of ln y: residuals below its root are rounding


@dataclass(frozen=True)
class LineComparison:
    """The first law against the second.

    Attributes:
        level_ratio: y of the first over y of the second at equal x, if their lines have one slope.
        level_interval: Where the true ratio lies with 95 % confidence, by Student's t on its logarithm.
        level_p: Probability of a ratio as far from 1 where the lines coincide.
        slope_difference: Exponent of the first minus that of the second.
        slope_interval: Where the true difference lies with 95 % confidence.
        slope_p: Probability of a difference as large where the exponents are equal.
        equal_spread_p: Probability of residuals that differ as much where both scatter alike, by the F test.
    """

    level_ratio: float
    level_interval: Interval
    level_p: float
    slope_difference: float
    slope_interval: Interval
    slope_p: float
    equal_spread_p: float


def compare_lines(first: PowerLaw, second: PowerLaw) -> LineComparison:
    """Tests level and slope of two laws of different models.

    Raises:
        ValueError: A model is in both laws, or no residual is left to judge by.
    """
    if shared := set(first.names) & set(second.names):
        raise ValueError(f"{min(shared)} is in both laws: lines of shared models cannot be compared")
    log_x, log_y = (np.log([*a, *b]) for a, b in ((first.x, second.x), (first.y, second.y)))
    distance = log_x - log_x.mean()
    group = np.repeat([1.0, 0.0], [first.n, second.n])
    line = [np.ones_like(distance), distance, group]
    level, level_interval, level_p = _last_coefficient(np.column_stack(line), log_y)
    slope, slope_interval, slope_p = _last_coefficient(np.column_stack([*line, group * distance]), log_y)
    ratio_interval = Interval(float(np.exp(level_interval.low)), float(np.exp(level_interval.high)))
    return LineComparison(
        *(float(np.exp(level)), ratio_interval, level_p),
        *(slope, slope_interval, slope_p),
        _equal_spread(first, second),
    )


def _last_coefficient(terms: Array, log_y: Array) -> tuple[float, Interval, float]:
    """The last term's coefficient by least squares, its 95 % t interval, and the p of 0."""
    inverse = np.linalg.inv(terms.T @ terms)
    coefficients = inverse @ (terms.T @ log_y)
    residuals = log_y - terms @ coefficients
    dof = len(log_y) - terms.shape[1]
    squares = float(residuals @ residuals)
    if squares <= _EXACT * len(log_y) * float(log_y.var()):
        raise ValueError("every point lies on its line: nothing tells by how much the lines may vary")
    value, stderr = float(coefficients[-1]), float(np.sqrt(squares / dof * inverse[-1, -1]))
    half = float(stats.t.ppf((1 + LEVEL) / 2, dof)) * stderr
    return value, Interval(value - half, value + half), 2 * float(stats.t.sf(abs(value) / stderr, dof))


def _equal_spread(first: PowerLaw, second: PowerLaw) -> float:
    """The two-sided p of the F test of the two residual variances."""
    wide, narrow = sorted((first, second), key=lambda law: law.residual_sd, reverse=True)
    if narrow.residual_sd == 0:
        return 0.0
    ratio = (wide.residual_sd / narrow.residual_sd) ** 2
    return min(1.0, 2 * float(stats.f.sf(ratio, wide.residual_dof, narrow.residual_dof)))
