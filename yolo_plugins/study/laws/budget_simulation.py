"""Simulated runs of one model with a known curve: do the intervals of `budget_law` hold what they claim?

The amounts double from one to the next. The true mean over seeds is a line on the logit, or levels off at a ceiling as
ceiling - b amount^-c, the form that learning curves commonly have (Hestness et al. 2017; Rosenfeld et al. 2020).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from yolo_plugins.study.laws.budget_law import BudgetLaw, fit_budget_law
from yolo_plugins.study.laws.power_law import Interval
from yolo_plugins.study.laws.scales import from_line, to_line

TRUTHS: dict[str, Callable[[float], float]] = {  # the mean at a multiple of the largest amount
    "line": lambda multiple: 1 / (1 + math.exp(0.5) * multiple**-0.45),
    "ceiling 0.7": lambda multiple: 0.7 - 0.2 * multiple**-0.3,
    "ceiling 0.9": lambda multiple: 0.9 - 0.1 * multiple**-0.5,
}
_WANTED = 3.0  # times the largest amount: what the mean is there is asked for
_FARTHER = (2.0, 4.0)  # times the largest amount: what is predicted


@dataclass(frozen=True)
class Design:
    """What simulated sets of runs have in common.

    Attributes:
        truth: A key of `TRUTHS`.
        amounts: How many there are.
        seeds: Runs of each.
        run_sd: Standard deviation of the logit of one run.
    """

    truth: str
    amounts: int
    seeds: int
    run_sd: float = 0.05


DESIGNS = [Design(truth, amounts, seeds) for truth in TRUTHS for amounts in (3, 4, 6) for seeds in (1, 3)]


def assess(
    design: Design, studies: int, seed: int = 0, progress: Callable[[], object] = lambda: None
) -> dict[str, float]:
    """Shares, 0 to 1, of the simulated sets of runs.

    Args:
        design: How they are drawn.
        studies: How many.
        seed: Of the draws.
        progress: Called after each.

    Returns:
        `mean 2x`, `mean 4x`, `run 2x`, `run 4x`: whose interval at so many times the largest amount holds the true
        mean, or one run; `answered`: of which the number that is needed is told with its interval; `number`: whose
        interval holds the true number, of these; `closed`: whose interval has two ends, of these.
    """
    rng, truth = np.random.default_rng(seed), TRUTHS[design.truth]
    multiples = 2.0 ** np.arange(1 - design.amounts, 1)
    logits = to_line([truth(multiple) for multiple in multiples], bounded=True)
    hits: dict[str, list[bool]] = {}
    for _ in range(studies):
        noise = design.run_sd * rng.standard_normal((design.seeds, design.amounts))
        drawn = from_line(logits + noise, bounded=True)
        law = fit_budget_law(multiples.tolist(), drawn.mean(axis=0).tolist(), [design.seeds] * design.amounts)
        found = _number(law, truth(_WANTED))
        for factor in _FARTHER:
            expected, mean = law.expect(factor), truth(factor)
            run = float(from_line(to_line(mean, True) + design.run_sd * rng.standard_normal(), bounded=True))
            hits.setdefault(f"mean {factor:g}x", []).append(expected.mean_interval.holds(mean))
            hits.setdefault(f"run {factor:g}x", []).append(expected.run_interval.holds(run))
        hits.setdefault("answered", []).append(found is not None)
        if found is not None:
            hits.setdefault("number", []).append(found.holds(_WANTED))
            hits.setdefault("closed", []).append(found.low > 0 and math.isfinite(found.high))
        progress()
    return {name: float(np.mean(values)) for name, values in sorted(hits.items())}


def format_shares(rows: list[tuple[Design, dict[str, float]]]) -> str:
    """A table for the terminal, one line for each design, in percent."""
    head = ("mean 2x", "mean 4x", "run 2x", "run 4x", "answered", "number", "closed")
    lines = [f"{'truth':<12} {'sizes':>5} {'seeds':>5} " + " ".join(f"{name:>8}" for name in head)]
    for design, shares in rows:
        cells = " ".join(f"{100 * shares.get(name, math.nan):8.1f}" for name in head)
        lines.append(f"{design.truth:<12} {design.amounts:>5} {design.seeds:>5} {cells}")
    return "\n".join(lines)


def _number(law: BudgetLaw, wanted: float) -> Interval | None:
    """The interval of the number that is needed, where one is told."""
    return law.needed(wanted).interval if law.slope_interval.low > 0 else None
