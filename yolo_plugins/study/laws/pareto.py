"""The Pareto front: the models that no other model beats in cost and performance at once.

A power law is the mean of the models, this is their envelope; the paper calls the first a frontier.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ParetoFront:
    """The models that are not dominated, by rising cost.

    A model is dominated by another that costs no more and is worth no less, and is better in one of the two. Models
    equal in both do not dominate each other: all of them are on the front, or none.

    Attributes:
        names: The models on the front, by rising cost; equal ones in the given order.
        cost: Their costs.
        value: Their values, strictly improving wherever the cost rises.
        dominated_by: For each other model, in the given order, the model on the front of the best value among those
            that dominate it; of several the cheapest, then the first given.
    """

    names: tuple[str, ...]
    cost: tuple[float, ...]
    value: tuple[float, ...]
    dominated_by: dict[str, str]


def pareto_front(
    cost: Sequence[float], value: Sequence[float], names: Sequence[str], maximize: bool = True
) -> ParetoFront:
    """Finds the models that are not dominated.

    Args:
        cost: To be small: params, MACs, seconds.
        value: To be large, or small without `maximize` (a loss).
        names: The models, each once.
        maximize: Whether more value is better.

    Raises:
        ValueError: No model, lengths that differ, a name twice, a value that is not finite.
    """
    costs, values = _checked(cost, value, names)
    worth = values if maximize else -values
    # [i, j]: model i costs no more and is worth no less than model j, and is better in one of the two.
    as_good = (costs[:, None] <= costs) & (worth[:, None] >= worth)
    dominates = as_good & ~as_good.T
    dominated = dominates.any(axis=0)
    front = sorted(np.flatnonzero(~dominated), key=lambda index: costs[index])
    by_worth = sorted(front, key=lambda index: (-worth[index], costs[index]))
    return ParetoFront(
        names=tuple(names[index] for index in front),
        cost=tuple(costs[front].tolist()),
        value=tuple(values[front].tolist()),
        dominated_by={
            names[index]: next(names[better] for better in by_worth if dominates[better, index])
            for index in np.flatnonzero(dominated)
        },
    )


def _checked(cost: Sequence[float], value: Sequence[float], names: Sequence[str]) -> tuple[Array, Array]:
    if not len(cost) == len(value) == len(names):
        raise ValueError(f"{len(cost)} costs, {len(value)} values and {len(names)} names: give one of each for a model")
    if not names:
        raise ValueError("no model: a front needs one")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"{twice[0]} is there twice")
    for axis, numbers in (("cost", cost), ("value", value)):
        for name, number in zip(names, numbers, strict=True):
            if not np.isfinite(number):
                raise ValueError(f"{axis} of {name} is {number}: a front needs finite numbers")
    return np.asarray(cost, float), np.asarray(value, float)
