"""How often each warning on a power law comes, in simulated studies where something is wrong and where nothing is.

Costs are drawn uniformly in ln x over a factor of 50, scores about a power law with a scatter of 5 %, in families of 3.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from yolo_plugins.study.laws.doubts import examine, warnings_of
from yolo_plugins.study.laws.power_law import Array, fit_power_law

_X_SPAN = 50.0
_EXPONENT = 0.2
_SCATTER = 0.05  # standard deviation of ln y
_FAMILY = 3
_LIMIT = 1.0  # of a score


@dataclass(frozen=True)
class Fault:
    """What is wrong with the models of a study; by default nothing.

    Attributes:
        name: What it is called.
        costliest: Factor on y of the costliest model.
        spread: Factor between the scatter at the largest cost and that at the smallest; its geometric mean stays.
        family_sd: Standard deviation of ln y between families.
        best: Score of the law at the largest cost.
    """

    name: str
    costliest: float = 1.0
    spread: float = 1.0
    family_sd: float = 0.0
    best: float = 0.5


FAULTS = (
    Fault("none"),
    Fault("costliest 30 % off", costliest=0.7),
    Fault("spread x 8 to the costly", spread=8),
    Fault("spread x 8 to the cheap", spread=1 / 8),
    Fault("families x 2 the scatter", family_sd=0.1),
    Fault("scores near 1", best=0.95),
)


def warning_rates(
    fault: Fault, n: int, studies: int, seed: int = 0, progress: Callable[[], object] = lambda: None
) -> dict[str, float]:
    """The share of the studies in which each warning comes.

    Args:
        fault: What is wrong with them.
        n: Models of a study, at least 3.
        studies: How many.
        seed: Of the studies.
        progress: Called after every study.
    """
    rng = np.random.default_rng(seed)
    names, families = [f"model {index}" for index in range(n)], [f"family {index // _FAMILY}" for index in range(n)]
    counts: Counter[str] = Counter()
    for _ in range(studies):
        x, y = _draw(fault, n, rng)
        warnings = warnings_of(examine(fit_power_law(x.tolist(), y.tolist(), names), families), _LIMIT)
        counts.update({name: int(comes) for name, comes in warnings.items()})
        progress()
    return {name: count / studies for name, count in counts.items()}


def format_rates(rows: list[tuple[Fault, int, dict[str, float]]]) -> str:
    """A table for the terminal, a line for each fault and number of models, in percent."""
    heads = list(rows[0][2])
    lines = [f"{'what is wrong':<26} {'n':>3} " + " ".join(f"{head:>15}" for head in heads)]
    for fault, n, rates in rows:
        lines.append(f"{fault.name:<26} {n:>3} " + " ".join(f"{100 * rates[head]:>15.1f}" for head in heads))
    return "\n".join(lines)


def _draw(fault: Fault, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Costs and scores of one study."""
    place = rng.random(n)
    log_y = np.log(fault.best) + _EXPONENT * np.log(_X_SPAN) * (place - 1)
    log_y += _SCATTER * fault.spread ** (place - 0.5) * rng.standard_normal(n)
    log_y += (fault.family_sd * rng.standard_normal(n))[np.arange(n) // _FAMILY]
    log_y[np.argmax(place)] += np.log(fault.costliest)
    return _X_SPAN**place, np.exp(log_y)
