"""Who fits a budget, who is likely to be the best of them, and which two are to be trained to decide."""

from dataclasses import replace

import pytest

from yolo_plugins.costs.latency import Latency
from yolo_plugins.recommend.advice import Budget, Choice, advise, to_train
from yolo_plugins.recommend.cache import Measured


def figures(milliseconds: float, n_bytes: int = 1_000_000) -> Measured:
    return Measured(Latency(*[milliseconds] * 5, 100), n_bytes, "2026-01-01T00:00:00+00:00")


@pytest.fixture
def make_choice(make_network):
    """A network that fits, by its probability to be the best."""

    def make_choice(name, probability, told_by_run=0.5, **more):
        choice = Choice(make_network(name), figures(1.0), 0.1, 0.2, 0.3, None, 0, (), ())
        return replace(choice, probability=probability, told_by_run=told_by_run, **more)

    return make_choice


def names(choices):
    return [choice.network.name for choice in choices]


@pytest.mark.parametrize(
    ("limits", "exceeded"),
    [
        ({}, ()),
        ({"max_ms": 4.9}, ("latency",)),
        ({"max_params": 9e5}, ("parameters",)),
        ({"max_macs": 2e8}, ("MACs",)),
        ({"max_mbytes": 1.9}, ("bytes",)),
        ({"max_ms": 4.9, "max_macs": 2e8}, ("MACs", "latency")),
    ],
)
def test_a_budget_names_what_a_network_exceeds(make_network, limits, exceeded):
    budget = Budget(**{"max_ms": 5.0, "max_params": 1e6, "max_macs": 3e8, "max_mbytes": 2.0} | limits)
    assert budget.exceeded_by(make_network("a"), figures(5.0, 2_000_000)) == exceeded


def test_before_it_is_measured_only_counts_tell_what_a_network_exceeds(make_network):
    assert Budget(0.001, max_mbytes=0.001).exceeded_by(make_network("a")) == ()
    assert Budget(0.001, max_params=1).exceeded_by(make_network("a")) == ("parameters",)


def test_a_budget_is_told_in_full():
    assert str(Budget(2.5, 5e6, 1e9, 20)) == "2.5 ms, 5 million parameters, 1 GMACs, 20 MB"


def test_a_clear_winner_leaves_nothing_to_train(make_choice):
    assert to_train([make_choice("a", 0.96), make_choice("b", 0.04)]) == []
    assert to_train([make_choice("a", 1.0)]) == []
    assert to_train([]) == []


def test_the_two_that_are_close_are_trained(make_choice):
    choices = [make_choice("a", 0.05), make_choice("b", 0.45), make_choice("c", 0.5)]
    assert names(to_train(choices)) == ["c", "b"]


def test_a_network_of_many_seeds_gives_way_to_one_of_which_a_run_tells_more(make_choice):
    choices = [make_choice("known", 0.6, 0.02), make_choice("b", 0.3, 0.8), make_choice("c", 0.1, 0.8)]
    assert names(to_train(choices)) == ["b", "c"]


def test_what_is_outside_the_study_is_trained_last(make_choice):
    choices = [make_choice("far", 0.8, outside=("parameters",)), make_choice("b", 0.15), make_choice("c", 0.05)]
    assert names(to_train(choices)) == ["b", "c"]
    assert names(to_train(choices[:2])) == ["b", "far"]


def test_those_that_fit_come_by_expectation_and_the_others_by_time(models, make_network):
    networks = [make_network(name, params) for name, params in [("s", 1e6), ("l", 2e7), ("xl", 4e7), ("xxl", 4.5e7)]]
    measured = {"s": figures(1.0), "l": figures(4.0), "xl": figures(9.0), "xxl": figures(8.0)}
    advice = advise([*networks, make_network("unreached")], measured, models, Budget(5.0))
    assert names(advice.choices) == ["l", "s", "xxl", "xl"]
    assert names(advice.fitting) == ["l", "s"]
    assert sum(choice.probability for choice in advice.fitting) == pytest.approx(1.0)
    assert all(choice.probability == 0 and choice.exceeds == ("latency",) for choice in advice.choices[2:])
    assert all(choice.low < choice.expected < choice.high for choice in advice.choices)


def test_networks_that_the_law_cannot_tell_apart_are_to_be_trained(models, make_network):
    networks = [make_network("a", 1e7), make_network("b", 1.05e7), make_network("tiny", 1e5)]
    advice = advise(networks, dict.fromkeys(["a", "b", "tiny"], figures(1.0)), models, Budget(5.0))
    assert set(names(advice.train)) == {"a", "b"}


def test_a_difference_that_the_law_is_sure_of_leaves_nothing_to_train(models, make_network):
    networks = [make_network("large", 5e7), make_network("tiny", 1e5)]
    advice = advise(networks, dict.fromkeys(["large", "tiny"], figures(1.0)), models, Budget(5.0))
    assert advice.train == []
    assert advice.fitting[0].network.name == "large" and advice.fitting[0].probability > 0.95


def test_of_a_loss_the_least_comes_first(make_models, make_network):
    models = make_models("train_loss", train_loss=[0.5 - 0.03 * index for index in range(12)])
    networks = [make_network("small", 2e5), make_network("large", 4e7)]
    advice = advise(networks, dict.fromkeys(["small", "large"], figures(1.0)), models, Budget(5.0))
    assert names(advice.fitting) == ["large", "small"]
    assert advice.fitting[0].expected < advice.fitting[1].expected


def test_a_trained_network_has_its_score_and_is_trained_with_the_next_seed(make_models, make_network):
    models = make_models(seeds=3)
    row = models.table.set_index("model").loc["m6"]
    trained = make_network("m6", float(row["params"]), measured="m6")
    new = make_network("new", float(row["params"]))
    choices = advise([trained, new], dict.fromkeys(["m6", "new"], figures(1.0)), models, Budget(5.0)).fitting
    known, unknown = sorted(choices, key=lambda choice: choice.network.name)
    assert (known.score, known.seeds) == (pytest.approx(row["ap50"]), 3)
    assert known.command == "yolo-plugins train m6 --seed 3"
    assert (unknown.score, unknown.seeds, unknown.command) == (None, 0, "yolo-plugins train new")
    assert known.high - known.low < unknown.high - unknown.low


def test_a_network_beyond_the_models_of_the_study_is_marked(models, make_network):
    networks = [make_network("inside", 1e7), make_network("beyond", 1e9)]
    advice = advise(networks, dict.fromkeys(["inside", "beyond"], figures(1.0)), models, Budget(5.0))
    assert {choice.network.name: choice.outside for choice in advice.fitting} == {
        "inside": (),
        "beyond": ("parameters",),
    }
