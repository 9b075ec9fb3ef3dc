"""The law of one model's performance against how much it was given: pictures or epochs.

A line of the performance, a score on the logit, anything else on the logarithm, against ln(amount), with a slope that
may change slowly. Learning curves level off, which few points cannot show: the curvature is therefore taken as normal
about 0 with the standard deviation `CURVATURE_SD`, and learnt as far as the points tell it. A straight line's interval
at four times the data holds the mean of curves with a ceiling in 6 to 89 %, that of this law in 95 % or more.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import Polynomial
from scipy import stats

from yolo_plugins.study.laws.power_law import LEVEL, Interval
from yolo_plugins.study.laws.scales import from_line, to_line

FEWEST = 3  # amounts: two leave no degree of freedom
REACH = 10.0  # beyond so many times the largest amount, and below the smallest over it, nothing is said
CURVATURE_SD = (
    0.05  # of logit(AP) on ln(amount)^2; PaddleDetection's FCOS and PP-YOLOE+ on 5 to 100 % of COCO: 0.03, 0.00
)
_SMALLEST_SD = 1e-6  # of a performance: points that lie on a line by rounding are no proof of it


@dataclass(frozen=True)
class Expectation:
    """What a law expects at one amount, with 95 % intervals.

    Attributes:
        amount: Pictures or epochs.
        mean: The performance, as a mean over seeds.
        mean_interval: Where that mean lies.
        run_interval: Where one run falls.
    """

    amount: float
    mean: float
    mean_interval: Interval
    run_interval: Interval


@dataclass(frozen=True)
class Needed:
    """The amount that a wanted performance takes, as a mean over seeds; infinite or 0 beyond what a law tells.

    Attributes:
        amount: Where the law reaches it; infinite where it levels off below.
        interval: Of 95 %; without an upper end, the performance may level off before it is reached.
    """

    amount: float
    interval: Interval


@dataclass(frozen=True)
class BudgetLaw:
    """A fitted law, of the transformed performance z, which rises as that improves, on x = ln(amount) - `mean_log`.

    Attributes:
        bounded: Whether z is the logit, of a score, rather than the logarithm.
        sign: -1 for a performance that improves as it falls, else 1.
        n: Amounts that were fitted.
        amount_min: Smallest of them.
        amount_max: Largest.
        mean_log: Weighted mean of ln(amount).
        slope: Of the line; the curve has it in the middle of the amounts.
        slope_interval: Where the true one lies with 95 % confidence, by Student's t with n - 2 degrees of freedom.
        curve: z, a polynomial of x.
        squares: Square of half the 95 % interval of the curve, a polynomial of x.
        run_half: Half the 95 % interval of one run about the curve.
    """

    bounded: bool
    sign: int
    n: int
    amount_min: float
    amount_max: float
    mean_log: float
    slope: float
    slope_interval: Interval
    curve: Polynomial
    squares: Polynomial
    run_half: float

    def expect(self, amount: float) -> Expectation:
        """What the law expects at an amount > 0; where its curve would turn down again, it is held at its top."""
        x = math.log(amount) - self.mean_log
        z, square = float(self.curve(min(x, self._top))), float(self.squares(x))
        halves = math.sqrt(square), math.sqrt(square + self.run_half**2)
        ends = [sorted((self._back(z - half), self._back(z + half))) for half in halves]
        return Expectation(amount, self._back(z), Interval(*ends[0]), Interval(*ends[1]))

    def needed(self, wanted: float) -> Needed:
        """The amount at which the mean over seeds is as wanted.

        Its interval holds the amounts at which the interval of the mean holds what is wanted: Fieller's, of a curve.

        Raises:
            ValueError: The performance cannot be as wanted, whatever the amount.
        """
        missing = transform(wanted, self.bounded, self.sign) - self.curve
        rising = [x for x in _real_roots(missing) if self.curve.deriv()(x) > 0]
        at = min(rising, default=math.inf)
        start = min(at, self._top, math.log(self.amount_max * REACH) - self.mean_log)
        outside = missing**2 - self.squares  # below 0 where the interval of the mean holds what is wanted
        roots = _real_roots(outside)
        before, after = [x for x in roots if x <= start], [x for x in roots if x > start]
        low = max(before, default=-math.inf) if outside(start) <= 0 else min(after, default=math.inf)
        high = min(after, default=math.inf) if rising else math.inf
        return Needed(self._amount(at), Interval(self._amount(low), self._amount(high)))

    @property
    def _top(self) -> float:
        """Where the curve turns down."""
        return float(self.curve.deriv().roots()[0]) if self.curve.coef[-1] < 0 else math.inf

    def _amount(self, x: float) -> float:
        log = x + self.mean_log
        if log < math.log(self.amount_min / REACH):
            return 0.0
        return math.inf if log > math.log(self.amount_max * REACH) else math.exp(log)

    def _back(self, z: float) -> float:
        return float(from_line(self.sign * z, self.bounded))


def fit_budget_law(
    amounts: Sequence[float],
    values: Sequence[float],
    runs: Sequence[int],
    bounded: bool = True,
    sign: int = 1,
    curvature_sd: float = CURVATURE_SD,
) -> BudgetLaw:
    """Fits a law by weighted least squares.

    Args:
        amounts: Different ones, positive.
        values: The performance at each, mean over its runs; positive, and below 1 where it is bounded.
        runs: Number of runs of each.
        bounded: Whether the performance is a score from 0 to 1.
        sign: -1 for a performance that improves as it falls, else 1.
        curvature_sd: As `CURVATURE_SD`, positive.

    Raises:
        ValueError: Fewer than 3 amounts, or a performance at an end of its scale.
    """
    n = len(amounts)
    if n < FEWEST:
        raise ValueError(f"{n} of at least {FEWEST} that a law needs")
    weights, z = np.asarray(runs, float), np.array([transform(value, bounded, sign) for value in values])
    log, weight = np.log(np.asarray(amounts, float)), float(weights.sum())
    mean_log = float(weights @ log) / weight
    x = log - mean_log
    squares = float(weights @ x**2)
    level, slope = float(weights @ z) / weight, float((weights * x) @ z) / squares
    variance = max(float(weights @ (z - level - slope * x) ** 2) / (n - 2), _SMALLEST_SD**2)
    shape = Polynomial([-squares / weight, -float(weights @ x**3) / squares, 1])  # of ln(amount)^2 what no line holds
    bend = shape(x)
    told = variance / float(weights @ bend**2)  # variance of the curvature by the points alone
    curvature = float((weights * bend) @ z) / float(weights @ bend**2) * curvature_sd**2 / (curvature_sd**2 + told)
    t, normal = float(stats.t.ppf((1 + LEVEL) / 2, n - 2)), float(stats.norm.ppf((1 + LEVEL) / 2))
    own, prior = t**2 * told, normal**2 * curvature_sd**2  # squares of half intervals of the curvature
    slope_half = t * math.sqrt(variance / squares)
    return BudgetLaw(
        *(bounded, sign, n, float(min(amounts)), float(max(amounts)), mean_log),
        slope=slope,
        slope_interval=Interval(slope - slope_half, slope + slope_half),
        curve=Polynomial([level, slope]) + curvature * shape,
        squares=Polynomial([t**2 * variance / weight, 0, slope_half**2]) + own * prior / (own + prior) * shape**2,
        run_half=t * math.sqrt(variance),
    )


def transform(value: float, bounded: bool, sign: int) -> float:
    """A performance as laws take it; arguments as for `fit_budget_law`.

    Raises:
        ValueError: It is at an end of its scale or beyond.
    """
    if not (0 < value < (1 if bounded else math.inf)):
        raise ValueError(f"{value:g} is not {'between 0 and 1' if bounded else 'above 0'}")
    return sign * float(to_line(value, bounded))


def _real_roots(polynomial: Polynomial) -> list[float]:
    """In rising order."""
    roots = polynomial.trim().roots()
    return sorted(roots[np.isreal(roots)].real.tolist())
