"""What repeated runs tell of chance: variances that differ between models, pooled with a prior that they tell too.

The variance of each model's seeds is drawn from one scaled inverse chi-squared distribution, as in Smyth, "Linear
models and empirical Bayes methods" (2004); its degrees of freedom, how alike the models are, are averaged over.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from yolo_plugins.study.laws.power_law import Array

_LIKENESS = np.array([1.0, 2, 4, 8, 16, 32, 100])  # degrees of freedom of the prior: 1 hardly alike, 100 equal
_LEVELS = np.exp(np.linspace(-5, 5, 61))  # variance of the prior over the mean of those found
_LEAST = 1e-10  # variance of runs that did not differ
_TRIED = 8  # draws of a model's noise of which one is taken, by how well it agrees with what the law expects


@dataclass(frozen=True)
class NoiseDraws:
    """Draws of the variance that chance gives.

    Attributes:
        of_means: (m, n) to the mean of each model's runs.
        of_run: (m,) to one run of another model.
        log_weights: (m,) by which draws count that were chosen by `Expected`.
    """

    of_means: Array
    of_run: Array
    log_weights: Array

    def take(self, kept: NDArray[np.intp]) -> Self:
        """Some of the draws."""
        return type(self)(self.of_means[kept], self.of_run[kept], self.log_weights[kept])


@dataclass(frozen=True)
class Expected:
    """What a law of the others expects of each model.

    Attributes:
        gaps: (n,) measured less expected.
        variances: (n,) of the expectation, without the noise of the model's own runs.
    """

    gaps: Array
    variances: Array


def draw_noise(
    sds: Array, seeds: Array, draws: int, rng: np.random.Generator, expected: Expected | None = None
) -> NoiseDraws | None:
    """Draws the noise of the seeds.

    A draw that fits one of many models fits few of the others, so few of them would count. Where a law is at hand, each
    model has several draws, of which one is taken by how likely it makes the model; the weights make up for the choice.

    Args:
        sds: (n,) standard deviation between a model's runs; NaN for one run.
        seeds: (n,) how many runs.
        draws: How many draws.
        rng: Where from.
        expected: By a law that was fitted before.

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
    sums, dofs = (dof * variance)[:, None] + freedom * squares, dof[:, None] + freedom
    of_run = dof * variance / rng.chisquare(dof)
    if expected is None:
        return NoiseDraws(sums / rng.chisquare(dofs) / seeds, of_run, np.zeros(draws))
    tried = sums / rng.chisquare(dofs, size=(_TRIED, *sums.shape)) / seeds  # (tried, m, n)
    total = tried + expected.variances
    likely = -(np.log(total) + expected.gaps**2 / total) / 2
    taken = np.argmax(likely + rng.gumbel(size=likely.shape), axis=0)[None]  # by weight: Gumbel's way
    of_means, chosen = (np.take_along_axis(values, taken, axis=0)[0] for values in (tried, likely))
    return NoiseDraws(of_means, of_run, (special.logsumexp(likely, axis=0) - np.log(_TRIED) - chosen).sum(1))
