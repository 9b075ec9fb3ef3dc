"""Other laws for the data of a power law: a robust line, an upper quantile, a curve with a ceiling.

Each says what the line of least squares cannot: whether a few models bend it, what the best models attain, whether
performance goes on rising. Every function raises `ValueError` with the reason where it has no answer.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.optimize import least_squares, linprog

from yolo_plugins.study.laws.power_law import LEVEL, Array, Interval, PowerLaw, chosen

LIMIT_POINTS = 9  # of 6 models with a ceiling, AICc denies it in 79 to 91 % of studies, of 9 in 5 to 33 %
_DECAYS = (0.01, 0.1, 0.3, 1.0, 3.0, 30.0)  # least, starts of the search, largest: from nearly ln x to nearly a step
_ON_LINE = 1e-7  # in ln y: the tolerance of HiGHS
_AT_BOUND = 0.01  # in logarithms: a search that ends as near to a bound has run into it
_FARTHEST = np.log(1000)  # |ln(y / asymptote)| at the smallest x


@dataclass(frozen=True)
class TheilSen:
    """The robust line: median of the slopes of all pairs of points.

    Attributes:
        exponent: That median.
        exponent_interval: 95 % by Sen's rank method, a normal approximation.
        coefficient: Median over the points of y / x**exponent.
    """

    exponent: float
    exponent_interval: Interval
    coefficient: float


@dataclass(frozen=True)
class UpperQuantile:
    """The line below which a share `tau` of the models lies: what can be attained, not what is expected.

    Attributes:
        tau: The share, near 1; near 0 where less of y is better.
        exponent: Slope of ln y on ln x.
        coefficient: y at x = 1.
        on: The models on the line, at least two.
        above: The models above it.
    """

    tau: float
    exponent: float
    coefficient: float
    on: tuple[str, ...]
    above: tuple[str, ...]

    def expected(self, x: ArrayLike) -> Array:
        """The line's y at each x > 0."""
        return self.coefficient * np.asarray(x, float) ** self.exponent


@dataclass(frozen=True)
class Saturating:
    """y = asymptote - scale * x**-decay: a ceiling where scale > 0, a floor where scale < 0.

    Attributes:
        asymptote: y of unlimited cost.
        scale: Distance from the asymptote at x = 1.
        decay: How fast the distance shrinks, > 0.
        aicc: Corrected Akaike information of this law, on the residuals of ln y; the smaller is the better supported.
        aicc_power: The same of the power law on the same models.
    """

    asymptote: float
    scale: float
    decay: float
    aicc: float
    aicc_power: float

    def expected(self, x: ArrayLike) -> Array:
        """Median of y at each x > 0."""
        return self.asymptote - self.scale * np.asarray(x, float) ** -self.decay


def theil_sen(law: PowerLaw) -> TheilSen:
    """The robust line through the law's data: up to 29 % of the points can be anywhere without ruining it."""
    slope, intercept, low, high = stats.theilslopes(np.log(law.y), np.log(law.x), alpha=LEVEL, method="joint")
    return TheilSen(float(slope), Interval(float(low), float(high)), float(np.exp(intercept)))


def upper_quantile(law: PowerLaw, tau: float = 0.9) -> UpperQuantile:
    """Quantile regression of ln y on ln x (Koenker & Bassett, 1978), solved as a linear program.

    With fewer than 1 / (1 - tau) points no point is above it: it is a side of their convex hull.

    Raises:
        ValueError: `tau` is not between 0 and 1, or the program is not solved.
    """
    if not 0 < tau < 1:
        raise ValueError(f"tau is {tau}: give a share between 0 and 1")
    log_y = np.log(law.y)
    centred = np.log(law.x) - law.mean_log_x
    # Minimise tau * over + (1 - tau) * under with level + slope * x + over - under = y.
    cost = np.concatenate([[0, 0], np.full(law.n, tau), np.full(law.n, 1 - tau)])
    points = np.column_stack([np.ones(law.n), centred, np.eye(law.n), -np.eye(law.n)])
    bounds = [(None, None)] * 2 + [(0, None)] * (2 * law.n)
    solved = linprog(cost, A_eq=points, b_eq=log_y, bounds=bounds, method="highs")
    if not solved.success:
        raise ValueError(f"the upper quantile has no solution: {solved.message}")
    level, slope = solved.x[:2]
    over = log_y - level - slope * centred
    on = np.abs(over) <= _ON_LINE
    return UpperQuantile(
        tau=tau,
        exponent=float(slope),
        coefficient=float(np.exp(level - slope * law.mean_log_x)),
        on=chosen(law.names, on),
        above=chosen(law.names, ~on & (over > 0)),
    )


def fit_saturating(law: PowerLaw) -> Saturating:
    """Fits y = asymptote - scale * x**-decay to the law's data, by least squares of ln y as the power law.

    AICc = n ln(RSS / n) + 2k + 2k(k + 1) / (n - k - 1) counts the residuals' variance too: k = 3 for the power law, 4
    for this one (Hurvich & Tsai, 1989).

    Raises:
        ValueError: Fewer than 9 points, which cannot tell; or no law of this form fits best: the points bend the other
            way, or are a step.
    """
    if law.n < LIMIT_POINTS:
        raise ValueError(f"fewer than {LIMIT_POINTS} points cannot tell whether a law levels off")
    log_y = np.log(law.y)
    steps = np.log(law.x) - np.log(law.x_min)

    def log_asymptotes(parameters: Array) -> Array:
        """By each point; parameters are ln(y at x_min / asymptote) and ln decay."""
        log_start, log_decay = parameters
        return log_y - np.log1p(np.expm1(log_start) * np.exp(-np.exp(log_decay) * steps))

    def residuals(parameters: Array) -> Array:
        return log_asymptotes(parameters) - log_asymptotes(parameters).mean()

    least, *decays, largest = np.log(_DECAYS)
    bounds = np.array([[-_FARTHEST, least], [_FARTHEST, largest]])
    fits = [least_squares(residuals, (-np.sign(law.exponent), decay), bounds=bounds) for decay in decays]
    best = min(fits, key=lambda fit: fit.cost)
    if not best.success:
        raise ValueError(f"the law with a ceiling does not converge: {best.message}")
    if np.abs(best.x - bounds).min() < _AT_BOUND:
        raise ValueError("no ceiling or floor fits: the best curve is a logarithm, a step or one without an asymptote")
    asymptote, decay = float(np.exp(log_asymptotes(best.x).mean())), float(np.exp(best.x[1]))
    return Saturating(
        asymptote=asymptote,
        scale=float(-asymptote * np.expm1(best.x[0]) * law.x_min**decay),
        decay=decay,
        aicc=_aicc(2 * best.cost, law.n, parameters=4),
        aicc_power=_aicc(float(np.square(law.residuals).sum()), law.n, parameters=3),
    )


def _aicc(squares: float, n: int, parameters: int) -> float:
    if squares == 0:
        raise ValueError("every point lies on the curve: AICc is not defined")
    return n * float(np.log(squares / n)) + 2 * parameters * n / (n - parameters - 1)
