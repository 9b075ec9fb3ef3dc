"""Forecasts of runs, on simulated curves and on those of the committed study."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from yolo_plugins.study.laws.curve_simulation import DESIGNS, CurveDesign, assess, format_stopping, simulate_curves
from yolo_plugins.study.laws.forecast import backtest, chance_of_front, forecast
from yolo_plugins.study.tables.curves import Curve, curves_of_tables
from yolo_plugins.study.tables.quantities import QUANTITIES
from yolo_plugins.study.tables.schema import EPOCHS, MODELS, read_table

LOSS, SCORE = QUANTITIES["train_loss"], QUANTITIES["ap50_95"]
COMMITTED = Path(__file__).parents[3] / "docs/results/voc_animals"


def make_curve(model: str, values: list[float | None], cost: float | None = 1.0, losses=()) -> Curve:
    losses = tuple(losses or [1.0] * len(values))
    return Curve(model, 0, cost, losses, tuple(values), (1.0,) * len(values))


def lines(count: int = 6) -> list[Curve]:
    """Curves whose final log is twice that of the first epoch."""
    return [make_curve(f"m{i}", [math.exp(-i / 10), math.exp(-2 * i / 10)], 2.0**i) for i in range(count)]


def test_a_final_loss_that_follows_from_the_first_epoch_is_forecast_exactly():
    found = forecast(make_curve("new", [math.exp(-0.25)]), lines(), LOSS)
    assert found.expected == pytest.approx(math.exp(-0.5))
    assert found.low == pytest.approx(found.high)
    assert (found.epoch, found.runs, found.models) == (1, 6, 6)
    assert found.error == pytest.approx(0, abs=1e-9)


def test_committed_losses_are_forecast_from_three_of_ten_epochs_within_three_percent():
    models, epochs = read_table(COMMITTED / "models.csv", MODELS), read_table(COMMITTED / "epochs.csv", EPOCHS)
    curves = curves_of_tables(models, epochs, "macs", "train_loss")
    found = backtest(curves, 0.3, LOSS)
    assert math.exp(found.error) < 1.03  # the law of the cost alone leaves 1.08
    assert found.held >= 16
    assert found.runs == 17


def test_intervals_of_simulated_runs_hold_what_they_claim():
    quality = assess(DESIGNS[0], 0.3, studies=60)
    assert quality.coverage >= 0.88  # 95 % less 2.5 standard errors
    assert 0.05 < quality.saved < 0.5
    assert quality.front_kept >= 0.8
    table = format_stopping([(DESIGNS[0], 0.3, quality)])
    assert table.splitlines()[1].split()[:3] == ["a", "trend", "30%"]


def test_a_simulation_is_the_same_for_one_seed_and_has_heavy_tails_where_asked():
    design = CurveDesign("few", models=4, seeds=2)
    assert simulate_curves(design, 3) == simulate_curves(design, 3) != simulate_curves(design, 4)
    assert simulate_curves(replace(design, heavy_tails=True), 3) != simulate_curves(design, 3)


def test_a_score_of_zero_has_a_place_on_the_scale():
    finished = [make_curve(f"m{i}", [i / 100, i / 10], 1.0) for i in range(6)]
    found = forecast(make_curve("new", [0.03]), finished, SCORE)
    assert 0 < found.low < found.expected < found.high < 1


def test_without_a_score_yet_the_loss_predicts_it():
    finished = [make_curve(f"m{i}", [None, 0.1 + i / 20], None, [1.0 - i / 10, 0.5]) for i in range(6)]
    found = forecast(make_curve("new", [None], None, [0.7]), finished, SCORE)
    assert found.predictors == "its training loss at epoch 1"
    assert found.expected == pytest.approx(0.25, abs=0.03)


def test_seeds_do_not_count_as_models():
    seeds = [replace(curve, seed=seed) for curve in lines(3) for seed in range(5)]
    with pytest.raises(ValueError, match=r"^3 of at least 4 models with a finished run of the same schedule$"):
        forecast(make_curve("new", [0.5]), seeds, LOSS)


def test_a_run_without_an_epoch_has_no_forecast():
    with pytest.raises(ValueError, match=r"^no epoch is done$"):
        forecast(make_curve("new", []), lines(), LOSS)


def test_scores_that_are_all_zero_say_nothing():
    with pytest.raises(ValueError, match=r"^no value of AP50-95 is inside its scale$"):
        forecast(make_curve("new", [0.0]), [make_curve(f"m{i}", [0.0, 0.0]) for i in range(5)], SCORE)


def test_the_chance_of_the_front_is_that_of_beating_each_model_as_cheap():
    finished = simulate_curves(CurveDesign("one", models=12, seeds=1, exponent=0.0), 0)
    best = min(finished, key=lambda curve: curve.values[-1])
    worst = max(finished, key=lambda curve: curve.values[-1])
    chances = {
        curve.model: chance_of_front(replace(curve.until(8), model="new", cost=1e12), finished, LOSS)
        for curve in (best, worst)
    }
    assert chances[best.model] > 0.2 > 0.01 > chances[worst.model]


def test_a_run_cheaper_than_all_has_no_rival_to_be_judged_by():
    with pytest.raises(ValueError, match=r"^no model that costs as little has finished$"):
        chance_of_front(make_curve("new", [0.5], cost=0.5), lines(), LOSS)


def test_a_cost_far_from_all_others_predicts_nothing():
    finished = [replace(curve, cost=1e6 + index) for index, curve in enumerate(lines())]
    found = forecast(make_curve("new", [math.exp(-0.25)], cost=1e12), finished, LOSS)
    assert "cost" not in found.predictors
    assert found.expected == pytest.approx(math.exp(-0.5))


def test_runs_that_all_end_alike_leave_a_chance_to_be_told():
    finished = [make_curve(f"m{i}", [0.5, 0.25]) for i in range(5)]
    assert 0 <= chance_of_front(make_curve("new", [0.4], cost=2.0), finished, LOSS) <= 1
