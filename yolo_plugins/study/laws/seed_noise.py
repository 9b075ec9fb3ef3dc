"""What repeated runs tell of chance: variances that differ between models, pooled with a prior that they tell too.

The variance of each model's seeds is drawn from one scaled inverse chi-squared distribution, as in Smyth, "Linear
models and empirical Bayes methods" (2004); its degrees of freedom, how alike the models are, are averaged over.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from yolo_plugins.study.laws.power_law import Array

_LIKENESS = np.array([1.0, 2, 4, 8, 16, 32, 100])  # degrees of freedom of the prior: 1 hardly alike, 100 equal
_LEVELS = np.exp(np.linspace(-5, 5, 61))  # variance of the prior over the mean of those found
_LEAST = 1e-10  # variance of runs that did not differ


@dataclass(frozen=True)
class NoiseDraws:
    """Draws of the variance that chance gives.

    Attributes:
        of_means: (m, n) to the mean of each model's runs.
        of_run: (m,) to one run of another model.
    """

    of_means: Array
    of_run: Array


def draw_noise(sds: Array, seeds: Array, draws: int, rng: np.random.Generator) -> NoiseDraws | None:
    """Draws the noise of the seeds.

    Args:
        sds: (n,) standard deviation between a model's runs; NaN for one run.
        seeds: (n,) how many runs.
        draws: How many draws.
        rng: Where from.

    Returns:
        The draws; None where no model was repeated, or no repeat differs.
    """
    freedom = np.where(np.isnan(sds), 0, seeds - 1)
    squares = np.where(freedom > 0, np.square(np.nan_to_num(sds)), 0)
    if not squares.any():
        return None
    repeated = freedom > 0
    levels = _LEVELS * (freedom @ squares / freedom.sum())
    likeness, level = np.meshgrid(_LIKENESS, levels, indexing="ij")
    ratios = np.maximum(squares[repeated], _LEAST)[:, None, None] / level
    found = stats.f.logpdf(ratios, freedom[repeated][:, None, None], likeness) - np.log(level)
    drawn = rng.choice(level.size, size=draws, p=special.softmax(found.sum(0)).ravel())
    dof, variance = likeness.ravel()[drawn], level.ravel()[drawn]
    sums = (dof * variance)[:, None] + freedom * squares
    of_means = sums / rng.chisquare(dof[:, None] + freedom) / seeds
    return NoiseDraws(of_means, dof * variance / rng.chisquare(dof))
