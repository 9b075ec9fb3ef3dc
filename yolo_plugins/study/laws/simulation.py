"""Simulated studies with a known power law: are the exponents unbiased, do the intervals cover what they claim?

Each study draws its models' costs uniformly in ln x over a factor of 50, as from YOLOv5n (1.8 M parameters, 0.5 GMACs)
to YOLOv5x (86 M, 26 GMACs), and ln y about the true line. It is then put through the functions that real studies go
through.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from yolo_plugins.study.laws.alternative_laws import theil_sen
from yolo_plugins.study.laws.doubts import warns
from yolo_plugins.study.laws.power_law import LEVEL, Array, Interval, PowerLaw, bootstrap_exponent, fit_power_law

_X_MIN, _X_SPAN = 5e8, 50.0  # MACs, factor
FAMILY = 3  # models of a family
_HEAVY_DOF = 3  # of the t distribution with heavy tails: the fewest whole ones with a variance


@dataclass(frozen=True)
class Design:
    """What the simulated studies have in common.

    Attributes:
        n: Models of a study.
        heavy_tails: Whether ln y scatters as Student's t with 3 degrees of freedom, of the same standard deviation,
            rather than normally: now and then a model falls far from the line.
        exponent: The true one.
        residual_sd: Standard deviation of ln y about the true line; 0.1 is 10 % of y.
        spread: Factor of that from the smallest to the largest cost, about its middle.
        family_sd: Standard deviation of ln y between families of three models.
        crowded: Whether all models but one are within a factor of 6 in cost, and that one at the end.
    """

    n: int
    heavy_tails: bool = False
    exponent: float = 0.2
    residual_sd: float = 0.1
    spread: float = 1.0
    family_sd: float = 0.0
    crowded: bool = False

    @property
    def title(self) -> str:
        """In tables: how it departs from what the intervals assume."""
        names = {
            "heavy tails": self.heavy_tails,
            f"spread x {self.spread:g}": self.spread != 1,
            "families": self.family_sd,
            "leverage": self.crowded,
        }
        return ", ".join(name for name, is_so in names.items() if is_so) or "normal"


def designs(n: int) -> list[Design]:
    """All that are checked of studies of n models."""
    departures: list[dict[str, Any]] = [
        *({}, {"heavy_tails": True}, {"spread": 4.0}, {"spread": 0.25}),
        *({"residual_sd": 0.05, "family_sd": 0.1}, {"crowded": True}),
    ]
    return [Design(n, **departure) for departure in departures]


@dataclass(frozen=True)
class Studies:
    """Simulated studies, each with one model more, which the fit does not see.

    Attributes:
        design: How they were drawn.
        x: (studies, n + 1) costs; the last column is that of the new model.
        y: (studies, n + 1) performance.
    """

    design: Design
    x: Array
    y: Array


@dataclass(frozen=True)
class Share:
    """A share of the studies.

    Attributes:
        value: 0 to 1.
        stderr: Binomial standard error of `value`.
    """

    value: float
    stderr: float


@dataclass(frozen=True)
class Quality:
    """What many studies say of the fit.

    Attributes:
        studies: How many.
        bias: Mean fitted exponent minus the true one.
        bias_stderr: Standard error of `bias`.
        t: Share of the studies whose t interval holds the true exponent; 0.95 is claimed here and below.
        bootstrap: The same of `bootstrap_exponent`.
        percentile: The same of the percentile bootstrap, shown for comparison only.
        theil_sen: The same of the robust line's interval.
        prediction: Share of the studies whose prediction interval holds the new model.
        warned: Share of the studies whose report warns, of anything but too few models for a limit.
    """

    studies: int
    bias: float
    bias_stderr: float
    t: Share
    bootstrap: Share
    percentile: Share
    theil_sen: Share
    prediction: Share
    warned: Share


def simulate(design: Design, studies: int, seed: int = 0) -> Studies:
    """Draws studies; the same for one seed."""
    rng = np.random.default_rng(seed)
    shape = (studies, design.n + 1)
    place = rng.random(shape)
    if design.crowded:
        place[:, : design.n - 1] *= np.log(6) / np.log(_X_SPAN)
        place[:, design.n - 1] = 1
    log_x = np.log(_X_MIN) + np.log(_X_SPAN) * place
    noise = rng.standard_normal(shape)
    if design.heavy_tails:
        noise = rng.standard_t(_HEAVY_DOF, shape) / np.sqrt(_HEAVY_DOF / (_HEAVY_DOF - 2))
    log_y = design.exponent * (log_x - np.log(_X_MIN)) + design.residual_sd * design.spread ** (place - 0.5) * noise
    levels = design.family_sd * rng.standard_normal(shape)
    return Studies(design, np.exp(log_x), np.exp(log_y + levels[:, np.arange(design.n + 1) // FAMILY]))


def assess(studies: Studies, progress: Callable[[], object] = lambda: None) -> Quality:
    """Fits every study and compares with the truth.

    Args:
        studies: From `simulate`.
        progress: Called after every study.
    """
    n, truth = studies.design.n, studies.design.exponent
    names, families = [f"model {index}" for index in range(n)], [f"family {index // FAMILY}" for index in range(n)]
    errors, covered = [], []
    for index, (x, y) in enumerate(zip(studies.x, studies.y, strict=True)):
        law = fit_power_law(x[:n], y[:n], names)
        intervals = (
            law.exponent_interval,
            bootstrap_exponent(law, seed=index),
            _percentile_bootstrap(law, seed=index),
            theil_sen(law).exponent_interval,
        )
        prediction = law.predict(x[n])
        errors.append(law.exponent - truth)
        is_inside = prediction.low <= y[n] <= prediction.high
        covered.append([*(interval.holds(truth) for interval in intervals), is_inside, warns(law, families, None)])
        progress()
    stderr = float(np.std(errors, ddof=1) / np.sqrt(len(errors)))
    return Quality(len(errors), float(np.mean(errors)), stderr, *map(share_of, np.array(covered).T))


def assess_design(design: Design, studies: int, seed: int, progress: Callable[[], object] = lambda: None) -> Quality:
    """Draws studies and assesses them; arguments as for `simulate` and `assess`."""
    return assess(simulate(design, studies, seed), progress)


def format_qualities(rows: list[tuple[Design, Quality]]) -> str:
    """A table for the terminal, one line for each design, shares in percent."""
    head = ("t", "bootstrap", "prediction", "warned", "percentile", "Theil-Sen")
    lines = [f"{'scatter':<13} {'n':>3} {'bias of exponent':>20} " + " ".join(f"{name:>12}" for name in head)]
    for design, quality in rows:
        shares = [quality.t, quality.bootstrap, quality.prediction]
        shares += [quality.warned, quality.percentile, quality.theil_sen]
        cells = " ".join(f"{100 * share.value:5.1f} ± {100 * share.stderr:.1f}".rjust(12) for share in shares)
        bias = f"{quality.bias:+.5f} ± {quality.bias_stderr:.5f}"
        lines.append(f"{design.title:<13} {design.n:>3} {bias:>20} {cells}")
    return "\n".join(lines)


def _percentile_bootstrap(law: PowerLaw, seed: int, repeats: int = 1999) -> Interval:
    """The textbook's first bootstrap interval: quantiles of the exponents of samples of the raw residuals."""
    drawn = np.random.default_rng(seed).integers(law.n, size=(repeats, law.n))
    shift = np.array(law.residuals)[drawn] @ (np.log(law.x) - law.mean_log_x) / law.sum_squares_log_x
    low, high = law.exponent + np.quantile(shift, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def share_of(hits: ArrayLike) -> Share:
    """The share of what is true."""
    value = float(np.asarray(hits, float).mean())
    return Share(value, float(np.sqrt(value * (1 - value) / np.size(hits))))
