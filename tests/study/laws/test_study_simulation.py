"""Simulated studies: drawn as their design says, and what the law says of them is right as often as it claims."""

import numpy as np
import pandas as pd
import pytest
from scipy import special

from yolo_plugins.study.laws.prediction import StudyLaw
from yolo_plugins.study.laws.study_simulation import (
    BEST_BINS,
    BINS,
    COMPARISON_DESIGNS,
    PREDICTION_DESIGNS,
    Design,
    assess_best,
    assess_comparisons,
    assess_predictions,
    format_predictions,
    format_probabilities,
    simulate_study,
)


def test_costs_fill_a_factor_of_50():
    costs = simulate_study(Design("line"), 2000, np.random.default_rng(0)).models["params"]
    assert costs.max() / costs.min() == pytest.approx(50, rel=0.02)


def test_a_crowded_study_has_one_model_far_from_the_others():
    costs = np.sort(simulate_study(Design("leverage", crowded=True), 20, np.random.default_rng(0)).models["params"])
    assert costs[-1] / costs[-2] > 8


def test_models_scatter_as_the_design_says():
    design = Design("spread", mean=np.zeros_like, sd=0.1, growth=4.0)
    study = simulate_study(design, 4000, np.random.default_rng(0))
    log_cost = np.log(study.models["params"].to_numpy() / 2e6) / np.log(50)
    for low, high, sd in ((0, 0.1, 0.107), (0.9, 1, 0.374)):
        assert study.truth[(log_cost >= low) & (log_cost <= high)].std() == pytest.approx(sd, rel=0.1)


def test_families_share_a_level_and_single_models_none():
    design = Design("families", mean=np.zeros_like, sd=0.01, families=True, family_sd=1.0)
    study = simulate_study(design, 24, np.random.default_rng(0))
    groups = pd.Series(study.truth).groupby(study.models["family"])
    assert groups.ngroups == 6
    assert groups.std().max() < 0.05 < groups.mean().std()
    assert simulate_study(Design("line"), 24, np.random.default_rng(0)).models["family"].nunique() == 24


def test_repeated_models_tell_their_noise():
    design = Design("seeds", seeds=3, repeated=5, seed_sd=0.2)
    study = simulate_study(design, 400, np.random.default_rng(0))
    assert study.models["seeds"].tolist() == [3.0] * 5 + [1.0] * 395
    assert study.models["ap50_95_sd"].notna().tolist() == [True] * 5 + [False] * 395
    gaps = special.logit(study.models["ap50_95"].to_numpy(float)) - study.truth
    assert gaps[5:].std() == pytest.approx(0.2, rel=0.15)


@pytest.mark.parametrize("design", [PREDICTION_DESIGNS[index] for index in (0, 3, 7)], ids=lambda design: design.name)
def test_intervals_hold_what_they_claim(design):
    shares = assess_predictions(design, 12, 60)
    assert {"within", "smallest", "largest", "3 x beyond"} <= set(shares)
    assert ("new family" in shares) == design.families
    assert ("one run" in shares) == (design.seeds > 1)
    shares.pop("warned")
    for share in shares.values():
        assert share.value >= 0.85  # 60 studies: three standard errors below 95 %


def test_what_is_said_of_two_models_is_true_as_often_as_it_claims():
    table = pd.concat([assess_comparisons(design, 12, 25) for design in COMPARISON_DESIGNS])
    pairs = table["count"].sum()
    assert pairs == 25 * 6 * len(COMPARISON_DESIGNS)
    said, true = ((table[name] * table["count"]).sum() / pairs for name in ("said", "true"))
    assert true == pytest.approx(said, abs=0.03)


def test_the_likeliest_to_be_the_best_is_it_as_often_as_it_claims():
    table = pd.concat([assess_best(design, 12, 60) for design in COMPARISON_DESIGNS])
    assert table["count"].sum() == 60 * len(COMPARISON_DESIGNS)
    said, true = ((table[name] * table["count"]).sum() / table["count"].sum() for name in ("said", "true"))
    assert 0.3 < said < 0.9
    assert true == pytest.approx(said, abs=0.07)  # three standard errors


@pytest.mark.parametrize("design", [COMPARISON_DESIGNS[0], COMPARISON_DESIGNS[6]], ids=lambda design: design.name)
def test_models_that_nobody_trained_are_among_those_of_which_one_is_the_best(monkeypatch, design):
    asked = []

    def probability_best(law, rows):
        asked.append([(row["model"], row["family"]) for row in rows])
        return np.eye(len(rows))[0]

    monkeypatch.setattr(StudyLaw, "probability_best", probability_best)
    assess_best(design, 7, 1)
    (rows,) = asked
    assert len(rows) == len({model for model, _ in rows}) == 7
    assert [model.split()[0] for model, _ in rows] == ["model"] * 3 + ["new"] * 4
    assert {family.split()[0] for _, family in rows[3:]} == {"family" if design.families else "new"}


def test_tables_have_a_line_for_each_design():
    predictions = format_predictions([(PREDICTION_DESIGNS[0], 6, assess_predictions(PREDICTION_DESIGNS[0], 6, 3))])
    assert predictions.splitlines()[0].split()[:3] == ["design", "n", "within"]
    assert len(predictions.splitlines()) == 2
    comparisons = format_probabilities([(COMPARISON_DESIGNS[0], 6, assess_comparisons(COMPARISON_DESIGNS[0], 6, 3))])
    assert comparisons.splitlines()[0].count(" to ") == len(BINS) - 1
    best = format_probabilities([(COMPARISON_DESIGNS[0], 6, assess_best(COMPARISON_DESIGNS[0], 6, 3))])
    assert "95 to 100" in best.splitlines()[0]
    assert best.splitlines()[0].count(" to ") == len(BEST_BINS) - 1
