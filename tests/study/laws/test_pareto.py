"""The front against its definition."""

import numpy as np
import pytest

from yolo_plugins.study.laws.pareto import pareto_front


def test_front_is_sorted_by_cost_and_names_what_beats_the_others():
    front = pareto_front([3, 1, 2, 4, 5], [0.5, 0.3, 0.2, 0.4, 0.6], "abcde")
    assert front.names == ("b", "a", "e")
    assert (front.cost, front.value) == ((1, 3, 5), (0.3, 0.5, 0.6))
    assert front.dominated_by == {"c": "b", "d": "a"}


def test_loss_is_to_be_small():
    front = pareto_front([1, 2, 3], [0.3, 0.4, 0.1], "abc", maximize=False)
    assert (front.names, front.value) == (("a", "c"), (0.3, 0.1))
    assert front.dominated_by == {"b": "a"}


@pytest.mark.parametrize("maximize", [True, False])
def test_front_is_the_definition_on_random_models_with_ties(maximize):
    rng = np.random.default_rng(0)
    for _ in range(50):
        cost, value = rng.integers(0, 6, (2, 12))
        worth = value if maximize else -value
        names = [f"m{index}" for index in range(12)]

        def beats(i: int, j: int, cost=cost, worth=worth) -> bool:
            no_worse = cost[i] <= cost[j] and worth[i] >= worth[j]
            return no_worse and (cost[i] < cost[j] or worth[i] > worth[j])

        free = {names[j] for j in range(12) if not any(beats(i, j) for i in range(12))}
        front = pareto_front(cost, value, names, maximize)
        assert set(front.names) == free
        assert set(front.dominated_by) == set(names) - free
        for loser, winner in front.dominated_by.items():
            assert winner in free
            assert beats(names.index(winner), names.index(loser))


def test_equal_models_are_on_the_front_together():
    front = pareto_front([2, 1, 2], [0.5, 0.3, 0.5], "abc")
    assert front.names == ("b", "a", "c")
    assert front.dominated_by == {}


def test_equal_models_are_beaten_together():
    assert pareto_front([2, 2, 1], [0.5, 0.5, 0.5], "abc").dominated_by == {"a": "c", "b": "c"}


def test_of_equal_cost_only_the_best_is_on_the_front():
    assert pareto_front([1, 1, 1], [0.1, 0.3, 0.2], "abc").dominated_by == {"a": "b", "c": "b"}


def test_the_best_of_those_that_beat_a_model_is_named_and_of_equals_the_cheapest():
    front = pareto_front([1, 2, 4, 3], [0.3, 0.5, 0.4, 0.1], "abcd")
    assert front.dominated_by == {"c": "b", "d": "b"}


def test_one_model_is_a_front():
    assert pareto_front([1], [0.5], ["a"]).names == ("a",)


@pytest.mark.parametrize(
    ("cost", "value", "names", "reason"),
    [
        ([], [], [], "no model"),
        ([1, 2], [1], "ab", "2 costs, 1 values and 2 names"),
        ([1, 2], [1, 2], "aa", "a is there twice"),
        ([1, 2], [1, float("nan")], "ab", "value of b is nan"),
        ([float("inf"), 2], [1, 2], "ab", "cost of a is inf"),
    ],
)
def test_front_refuses_what_cannot_be_compared(cost, value, names, reason):
    with pytest.raises(ValueError, match=f"^{reason}"):
        pareto_front(cost, value, names)
