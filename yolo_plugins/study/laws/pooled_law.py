"""One law for all models: a transformed performance z against ln cost and covariates, with a level for each family.

z = fixed part + level of the family + the model's own + noise of its seeds. Levels come from one distribution, the
scatter may grow or shrink with cost, some coefficients are drawn to 0. Variances are averaged over, not estimated, by
importance sampling of their restricted likelihood, so that intervals know how little few models tell: Student's t for
many variances (Gelman et al., "Bayesian Data Analysis", 3rd ed., 2013, chapters 5, 10, 15). A prediction given the
variances is universal kriging (Cressie, "Statistics for Spatial Data", 1993, section 3.4).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats
from scipy.stats import qmc

from yolo_plugins.study.laws.power_law import Array
from yolo_plugins.study.laws.seed_noise import Expected, NoiseDraws, draw_noise

DRAWS = 2**11  # of the variances in each of two rounds; a power of 2, for Sobol's points
_RATIO = 2.0  # half-Cauchy scale of sd between families / sd within
_SPREAD = 0.3  # sd of the change of ln sd with ln cost: a factor of 3 over a factor of 50 in cost
_SCALE = 2.0  # half-Cauchy scale, in residual sd, of the models' own sd, where the seeds tell their noise
_BOX = np.log(8)  # first round: the sd within families is within this factor of the residual sd
_WIDER, _DOF = 1.5, 5  # second round: Student's t, wider than what the first found
_NEGLIGIBLE = 1e-6  # weight of a draw over the largest
_FINEST = 1e-4  # no z is known better: 1e-5 to 3e-5 of a score
_LEAST = 1e-9  # precision that keeps an empty coefficient from being singular
_JOINT_DRAWS = 2**5  # of all models' values, given each draw of the variances: who is best is known to 0.01
_JOINT_CHUNK = 2**7  # draws of the variances at once: bounds the memory


@dataclass(frozen=True)
class Observations:
    """What the law is fitted to, a row for each model.

    Attributes:
        features: (n, p) of the fixed part: 1, ln cost about its mean, then others.
        precisions: (p,) of each coefficient's normal prior about 0; 0 for none.
        z: (n,) transformed performance, mean over the seeds.
        families: (n,) number of the model's family, from 0.
        seeds: (n,) runs that z is the mean of.
        seed_sd: (n,) standard deviation of z between them; NaN for one run.
    """

    features: Array
    precisions: Array
    z: Array
    families: Array
    seeds: Array
    seed_sd: Array


@dataclass(frozen=True)
class Target:
    """A model that the law is asked about.

    Attributes:
        features: (p,), as in `Observations`.
        family: Number of its family; the name of a new one; None for a new one of its own.
        row: Of the model in `Observations`; None for a model that was not observed.
    """

    features: Array
    family: int | str | None = None
    row: int | None = None


@dataclass(frozen=True)
class Mixture:
    """A distribution: normal ones with weights.

    Attributes:
        weights: (m,), of sum 1.
        means: (m,).
        sds: (m,), above 0.
    """

    weights: Array
    means: Array
    sds: Array

    def below(self, value: float) -> float:
        """Probability of less than `value`."""
        return float(self.weights @ special.ndtr((value - self.means) / self.sds))

    def quantile(self, probability: float) -> float:
        """The value that is not reached with this probability, between 0 and 1."""
        reach = 12 * self.sds
        ends = float((self.means - reach).min()), float((self.means + reach).max())
        return float(optimize.brentq(lambda value: self.below(value) - probability, *ends))


@dataclass(frozen=True)
class _Variances:
    """Draws of the variances, and all that follows from them without the performances.

    Attributes:
        scale: (m,) sd of the models within families, of mean cost, with their noise where the seeds do not tell it.
        ratio: (m,) sd between families over `scale`.
        spread: (m,) change of ln sd with ln cost.
        share: (m,) of the noise in `scale` squared; 0 where the seeds tell the noise.
        noise: What the seeds tell; None where no model was repeated.
    """

    scale: Array
    ratio: Array
    spread: Array
    share: Array
    noise: NoiseDraws | None

    @classmethod
    def of(cls, parameters: Array, noise: NoiseDraws | None, is_pooled: bool) -> Self:
        """From the columns ln scale, ln ratio, spread, logit share; without pooled families their sd is 0."""
        scale, ratio = np.exp(parameters[:, :2].T)
        share = special.expit(parameters[:, 3]) if noise is None else np.zeros(len(parameters))
        return cls(scale, ratio * is_pooled, parameters[:, 2], share, noise)

    def growth(self, log_cost: Array) -> Array:
        """(m, k): factor of every sd at each of k costs."""
        return np.exp(self.spread[:, None] * log_cost)

    def own(self, log_cost: Array) -> Array:
        """(m, k): variance of a model within its family, without noise."""
        return (1 - self.share)[:, None] * (self.scale[:, None] * self.growth(log_cost)) ** 2

    def between(self) -> Array:
        """(m,): variance of the families' levels at mean cost."""
        return (self.scale * self.ratio) ** 2

    def of_means(self, log_cost: Array) -> Array:
        """(m, n): noise of each observed mean."""
        if self.noise is not None:
            return self.noise.of_means
        return self.share[:, None] * (self.scale[:, None] * self.growth(log_cost)) ** 2

    def of_run(self, log_cost: Array) -> Array:
        """(m,): noise of one run of a model that was not observed."""
        return self.of_means(log_cost)[:, 0] if self.noise is None else self.noise.of_run

    def take(self, kept: NDArray[np.intp]) -> Self:
        """Some of the draws."""
        noise = self.noise and self.noise.take(kept)
        return type(self)(self.scale[kept], self.ratio[kept], self.spread[kept], self.share[kept], noise)


class _Conditional:
    """The law given m draws of the variances: normal, so in closed form; families enter by Woodbury's identity."""

    def __init__(self, observed: Observations, variances: _Variances) -> None:
        self.observed, self.variances = observed, variances
        x, z, log_cost = observed.features, observed.z, observed.features[:, 1]
        self.members = (observed.families[:, None] == np.arange(observed.families.max() + 1)).astype(float)  # (n, f)
        self.growth = variances.growth(log_cost)  # (m, n)
        self.own = variances.own(log_cost)
        self.weights = 1 / (self.own + variances.of_means(log_cost))
        sums = (self.weights * self.growth**2) @ self.members  # (m, f)
        between = variances.between()[:, None]
        self.shrinkage = between / (1 + between * sums)
        shape = self.weights.shape
        inverse_x = np.stack([self.inverse(np.broadcast_to(column, shape)) for column in x.T], axis=2)
        self.inverse_x = inverse_x  # (m, n, p)
        precision = np.einsum("np,mnq->mpq", x, inverse_x, optimize=True) + np.diag(observed.precisions + _LEAST)
        self.covariance = np.linalg.inv(precision)  # (m, p, p)
        self.coefficients = np.einsum("mpq,mnq,n->mp", self.covariance, inverse_x, z, optimize=True)
        inverse_z = self.inverse(np.broadcast_to(z, shape))
        squares = inverse_z @ z - np.einsum("mp,mnp,n->m", self.coefficients, inverse_x, z, optimize=True)
        log_determinant = np.log1p(between * sums).sum(1) - np.log(self.weights).sum(1)
        log_determinant += np.linalg.slogdet(precision)[1]
        self.log_likelihood = -(log_determinant + squares) / 2  # (m,) restricted, but for a constant

    def inverse(self, values: Array) -> Array:
        """(m, n): the inverse covariance of z times `values`."""
        weighted = self.weights * values
        levels = (self.shrinkage * ((self.growth * weighted) @ self.members)) @ self.members.T
        return weighted - self.weights * self.growth * levels

    def covariances(self, target: Target) -> Array:
        """(m, n): of the target's own value with each observation, beyond the fixed part."""
        found = np.zeros_like(self.weights)
        if target.family is not None and not isinstance(target.family, str):
            growth = self.variances.growth(target.features[1:2]) * self.variances.between()[:, None]
            found += growth * self.growth * self.members[:, target.family]
        if target.row is not None:
            found[:, target.row] += self.own[:, target.row]
        return found

    def variance(self, target: Target) -> Array:
        """(m,): of the target's own value, beyond the fixed part."""
        log_cost = target.features[1:2]
        between = self.variances.between()[:, None] * self.variances.growth(log_cost) ** 2
        return (between + self.variances.own(log_cost))[:, 0]

    def krige(self, features: Array, covariances: Array, variance: Array) -> tuple[Array, Array]:
        """Mean and sd, (m,) each, of a value by its features, its covariances with z and its variance."""
        inverse = self.inverse(covariances)
        rest = features - inverse @ self.observed.features  # (m, p)
        mean = inverse @ self.observed.z + (rest * self.coefficients).sum(1)
        variance = variance - (covariances * inverse).sum(1)
        variance += np.einsum("mp,mpq,mq->m", rest, self.covariance, rest, optimize=True)
        return mean, np.sqrt(np.maximum(variance, np.finfo(float).tiny))

    def joint(self, targets: Sequence[Target]) -> Iterator[tuple[Array, Array]]:
        """Mean (k,) and covariance (k, k) of the own values of k targets, given each draw."""
        x, z, features = self.observed.features, self.observed.z, np.stack([target.features for target in targets])
        covariances = np.stack([self.covariances(target) for target in targets], axis=1)  # (m, k, n)
        inverse = np.stack([self.inverse(covariances[:, place]) for place in range(len(targets))], axis=1)
        rest = features - inverse @ x  # (m, k, p)
        means = inverse @ z + np.einsum("mkp,mp->mk", rest, self.coefficients, optimize=True)
        growth, own = self.variances.growth(features[:, 1]), self.variances.own(features[:, 1])
        shared = np.array(
            [[a is b or (a.family is not None and a.family == b.family) for b in targets] for a in targets]
        )
        for draw, between in enumerate(self.variances.between()):
            prior = between * np.outer(growth[draw], growth[draw]) * shared + np.diag(own[draw])
            known = covariances[draw] @ inverse[draw].T
            yield means[draw], prior - known + rest[draw] @ self.covariance[draw] @ rest[draw].T


@dataclass(frozen=True)
class PooledLaw:
    """The fitted law.

    Attributes:
        weights: (m,) of the draws of the variances, of sum 1.
        given: The law given each draw.
    """

    weights: Array
    given: _Conditional

    def predict(self, target: Target, runs: int = 0) -> Mixture:
        """What z of a model is.

        Args:
            target: The model.
            runs: Whose mean z is; 0 for what many runs would tend to.
        """
        given = self.given
        mean, sd = given.krige(target.features, given.covariances(target), given.variance(target))
        if runs:
            sd = np.sqrt(sd**2 + given.variances.of_run(target.features[1:2]) / runs)
        return Mixture(self.weights, mean, sd)

    def difference(self, first: Target, second: Target) -> Mixture:
        """What z of one model less that of another is, both over many runs."""
        given = self.given
        covariances = given.covariances(first) - given.covariances(second)
        variance = given.variance(first) + given.variance(second)
        if first.family is not None and first.family == second.family:
            growths = given.variances.growth(np.array([first.features[1] + second.features[1]]))[:, 0]
            variance = variance - 2 * given.variances.between() * growths
        return Mixture(self.weights, *given.krige(first.features - second.features, covariances, variance))

    def largest(self, targets: Sequence[Target], sign: int = 1, seed: int = 0) -> Array:
        """(k,): the probability that z of a model is the largest of k, all over many runs, by joint draws.

        Args:
            targets: The models, each once.
            sign: -1 for the probability that it is the smallest.
            seed: Of the draws.
        """
        rng, probability = np.random.default_rng(seed), np.zeros(len(targets))
        for places in np.split(np.arange(len(self.weights)), range(_JOINT_CHUNK, len(self.weights), _JOINT_CHUNK)):
            given = _Conditional(self.given.observed, self.given.variances.take(places))
            for weight, (mean, covariance) in zip(self.weights[places], given.joint(targets), strict=True):
                root = np.linalg.cholesky(covariance + _LEAST * np.diag(np.diag(covariance)))
                z = mean + rng.standard_normal((_JOINT_DRAWS, len(targets))) @ root.T
                probability += weight / _JOINT_DRAWS * np.bincount((sign * z).argmax(1), minlength=len(targets))
        return probability / probability.sum()

    def told_by_run(self, target: Target) -> float:
        """Share of the variance of z of a model, over many runs, that one more run of it would take away."""
        sd = self.predict(target).sds
        return float(self.weights @ (sd**2 / (sd**2 + self.given.variances.of_run(target.features[1:2]))))

    def leave_one_out(self) -> list[Mixture]:
        """What the law of all others says of each model: in closed form, its draws weighted anew without the model."""
        residuals, variances, log_weights = self._left_out()
        z = self.given.observed.z
        return [
            Mixture(special.softmax(log_weights[:, row]), z[row] - residuals[:, row], np.sqrt(variances[:, row]))
            for row in range(len(z))
        ]

    def expected(self) -> Expected:
        """What the law of all others expects of each model, in the mean of the draws."""
        residuals, variances, log_weights = self._left_out()
        weights = special.softmax(log_weights, axis=0)
        own_noise = self.given.variances.of_means(self.given.observed.features[:, 1])
        gaps = (weights * residuals).sum(0)
        truth = np.maximum(variances - own_noise, 0) + (residuals - gaps) ** 2
        return Expected(gaps, (weights * truth).sum(0))

    def _left_out(self) -> tuple[Array, Array, Array]:
        """By the law of all others, (m, n) each: z less what it says, its variance, log weights of the draws."""
        given, z = self.given, self.given.observed.z
        loadings = given.growth * given.weights
        own = given.weights - loadings**2 * (given.shrinkage @ given.members.T)
        own -= np.einsum("mnp,mpq,mnq->mn", given.inverse_x, given.covariance, given.inverse_x, optimize=True)
        own = np.maximum(own, _LEAST * given.weights)  # 0 but for rounding where the others say nothing of a model
        fixed = given.coefficients @ given.observed.features.T
        residuals = given.inverse(z - fixed) / own  # z less what the others say
        return residuals, 1 / own, np.log(self.weights)[:, None] + (own * residuals**2 - np.log(own)) / 2


def fit_pooled_law(observed: Observations, draws: int = DRAWS, seed: int = 0) -> PooledLaw:
    """Fits the law: two rounds of draws of the variances, the second about what the first found.

    Args:
        observed: At least 3 models of two distinct costs.
        draws: Of each round, a power of 2.
        seed: Of the draws; equal ones give equal laws.
    """
    scale = _residual_scale(observed)
    is_pooled = observed.families.max() + 1 < len(observed.z)
    rng = np.random.default_rng(seed)

    def condition(parameters: Array, expected: Expected | None = None) -> tuple[_Conditional, Array]:
        noise = draw_noise(observed.seed_sd, observed.seeds, draws, rng, expected)
        given = _Conditional(observed, _Variances.of(parameters, noise, is_pooled))
        log_weights = given.log_likelihood + _log_prior_of_scale(parameters[:, 0], scale, noise is None)
        return given, log_weights if noise is None else log_weights + noise.log_weights

    parameters = _from_prior(qmc.Sobol(4, rng=rng).random(draws), scale)
    given, log_posterior = condition(parameters)
    weights = special.softmax(log_posterior)
    expected = None if given.variances.noise is None else _law(weights, given).expected()
    centre = weights @ parameters
    root = np.linalg.cholesky(_WIDER**2 * np.cov(parameters.T, aweights=weights) + 1e-4 * np.eye(4))
    points = qmc.Sobol(5, rng=rng).random(draws)
    standard = special.ndtri(points[:, :4]) / np.sqrt(stats.chi2.ppf(points[:, 4:], _DOF) / _DOF)
    parameters = centre + standard @ root.T
    log_proposal = -(_DOF + 4) / 2 * np.log1p((standard**2).sum(1) / _DOF)
    given, log_posterior = condition(parameters, expected)
    weights = special.softmax(log_posterior + _log_prior(parameters) - log_proposal)
    return _law(weights, given)


def _law(weights: Array, given: _Conditional) -> PooledLaw:
    """Of the draws that count."""
    kept = np.flatnonzero(weights > _NEGLIGIBLE * weights.max())
    return PooledLaw(weights[kept] / weights[kept].sum(), _Conditional(given.observed, given.variances.take(kept)))


def _residual_scale(observed: Observations) -> float:
    """Standard deviation of z about the fixed part alone."""
    x, z = observed.features, observed.z
    rows = np.vstack([x, np.diag(np.sqrt(observed.precisions))])
    residuals = z - x @ np.linalg.lstsq(rows, np.concatenate([z, np.zeros(x.shape[1])]))[0]
    freedom = max(len(z) - int((observed.precisions == 0).sum()), 1)
    return max(float(np.sqrt(residuals @ residuals / freedom)), _FINEST)


def _from_prior(points: Array, scale: float) -> Array:
    """(m, 4) parameters of points in the unit cube; the columns are those of `_Variances.of`."""
    points = np.clip(points, 1e-4, 1 - 1e-4)
    log_scale = np.log(scale) + (2 * points[:, 0] - 1) * _BOX
    log_ratio = np.log(_RATIO * np.tan(np.pi / 2 * points[:, 1]))
    return np.column_stack([log_scale, log_ratio, _SPREAD * special.ndtri(points[:, 2]), special.logit(points[:, 3])])


def _log_prior(parameters: Array) -> Array:
    """Of all but the scale, in the coordinates of the parameters; but for a constant."""
    _, log_ratio, spread, share = parameters.T
    ratio = log_ratio - np.log1p((np.exp(log_ratio) / _RATIO) ** 2)
    return ratio - (spread / _SPREAD) ** 2 / 2 + special.log_expit(share) + special.log_expit(-share)


def _log_prior_of_scale(log_scale: Array, scale: float, is_total: bool) -> Array:
    """Of the logarithm, but for a constant.

    Flat where it is all the scatter there is. Else the seeds may explain all of it, but models that do not differ are
    not believed: the density of the sd rises from 0 (Chung et al., "A nondegenerate penalized likelihood estimator for
    variance parameters", 2013), and falls as a Cauchy's beyond the residual sd.
    """
    if is_total:
        return np.zeros_like(log_scale)
    return 2 * log_scale - 1.5 * np.log1p((np.exp(log_scale) / scale / _SCALE) ** 2)
