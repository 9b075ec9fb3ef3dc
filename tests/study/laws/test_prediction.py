"""What the pooled law of a table of models predicts, how it compares, and that neither leaves the scale of a score."""

import numpy as np
import pandas as pd
import pytest
from scipy import special

from yolo_plugins.study.laws.prediction import StudyLaw
from yolo_plugins.study.tables.quantities import performances


def table(n=12, seed=0, **columns):
    """Models whose logit AP50 rises with ln params, of three families of `other` shape, 640 px."""
    rng = np.random.default_rng(seed)
    params = np.exp(rng.uniform(np.log(2e6), np.log(1e8), n))
    level = -1.5 + 0.4 * np.log(params / 1e7) + 0.1 * rng.standard_normal(n)
    rows = {
        "model": [f"m{index}" for index in range(n)],
        "family": [f"f{index % 3}" for index in range(n)],
        **{"input_h": 640, "input_w": 640, "params": params.round(), "macs": (2000 * params).round()},
        **dict.fromkeys(performances(), np.nan),
        **{f"{name}_sd": np.nan for name in performances()},
        **{"ap50": special.expit(level), "seeds": 1, "backbone_top1": np.nan},
    }
    return pd.DataFrame(rows | columns)


def candidate(**columns):
    row = {"model": "new", "family": "f0", "input_h": 640, "input_w": 640, "params": 1e7, "macs": 2e10}
    return row | columns


def test_a_prediction_is_ordered_and_holds_the_middle_of_the_models():
    found = StudyLaw(table(), "params", "ap50").predict(candidate())
    assert found.low < found.expected < found.attainable < found.high
    assert found.expected == pytest.approx(special.expit(-1.5), abs=0.03)
    assert found.outside == ()


@pytest.mark.parametrize("level", [-6.0, 6.0])
@pytest.mark.parametrize("params", [1e4, 1e7, 1e12])
def test_no_prediction_leaves_the_scale_and_what_is_attainable_is_above_what_is_expected(level, params):
    rows = table()
    rows["ap50"] = special.expit(special.logit(rows["ap50"]) + level)
    found = StudyLaw(rows, "params", "ap50").predict(candidate(params=params))
    assert 0 <= found.low <= found.expected <= found.attainable <= found.high <= 1


def test_what_is_attainable_of_a_loss_is_below_what_is_expected():
    rows = table(train_loss=np.linspace(0.5, 0.1, 12))
    found = StudyLaw(rows, "params", "train_loss").predict(candidate())
    assert 0 < found.low < found.attainable < found.expected < found.high


def test_a_cost_beyond_the_models_is_named_and_less_certain():
    law = StudyLaw(table(), "params", "ap50")
    within, beyond = law.predict(candidate()), law.predict(candidate(params=1e9))
    assert beyond.outside == ("parameters",)
    assert beyond.high - beyond.low > within.high - within.low


def test_input_size_enters_where_it_varies():
    sizes = np.tile([320, 640, 1280], 4)
    rows = table(input_h=sizes, input_w=sizes)
    rows["ap50"] = special.expit(special.logit(rows["ap50"]) + np.log(sizes / 640))
    law = StudyLaw(rows, "params", "ap50")
    assert [covariate.title for covariate in law.covariates] == ["input size"]
    small, large = (law.predict(candidate(input_h=size, input_w=size)) for size in (320, 1280))
    assert special.logit(large.expected) - special.logit(small.expected) == pytest.approx(np.log(4), abs=0.3)
    assert law.predict(candidate(input_h=160, input_w=160)).outside == ("input size",)
    assert StudyLaw(table(), "params", "ap50").covariates == ()


def test_top_1_enters_where_every_backbone_has_it_and_halves_the_error():
    rng = np.random.default_rng(3)
    hidden = rng.standard_normal(20)
    rows = table(20)
    rows["ap50"] = special.expit(special.logit(rows["ap50"]) + 0.5 * hidden)
    plain = StudyLaw(rows, "params", "ap50").leave_one_out()
    rows["backbone_top1"] = special.expit(1.2 + 0.3 * hidden)
    law = StudyLaw(rows, "params", "ap50")
    assert [covariate.title for covariate in law.covariates] == ["ImageNet top-1"]
    errors = [((frame["measured"] - frame["predicted"]) ** 2).mean() ** 0.5 for frame in (law.leave_one_out(), plain)]
    assert errors[0] < errors[1] / 2
    rows.loc[4, "backbone_top1"] = np.nan
    assert StudyLaw(rows, "params", "ap50").covariates == ()


def test_models_that_are_of_no_family_share_no_level():
    rows = table()
    assert StudyLaw(rows, "params", "ap50").families == 3
    assert StudyLaw(rows.assign(family="other"), "params", "ap50").families == 12


def test_leave_one_out_names_every_model_with_its_measurement():
    rows = table()
    found = StudyLaw(rows, "params", "ap50").leave_one_out()
    assert found["model"].tolist() == rows["model"].tolist()
    assert found["measured"].tolist() == rows["ap50"].tolist()
    assert (found["inside"] == found["measured"].between(found["low"], found["high"])).all()
    assert found["inside"].mean() > 0.8


def test_calibration_tells_the_share_inside_each_level():
    law = StudyLaw(table(40), "params", "ap50")
    found = law.calibration().set_index("level")["covered"]
    assert found[0.95] == pytest.approx(law.leave_one_out()["inside"].mean(), abs=0.026)
    assert found.is_monotonic_increasing and 0.3 < found[0.5] < 0.7


@pytest.mark.parametrize("y", ["ap50", "train_loss"])
@pytest.mark.parametrize(
    ("params", "values"),
    [
        ([1e6, 2e6, 4e6], [0.4, 0.2, 0.1]),  # the others are two, on a line
        ([1e6, 1e6, 1e6, 4e6], [0.4, 0.39, 0.41, 0.1]),  # or of one cost
        ([1e6, 1e6, 4e6, 4e6, 4e6], [0.3] * 5),
    ],
)
def test_models_of_which_the_others_say_nothing_are_predicted_by_anything(y, params, values):
    n = len(params)
    columns = {y: values, "params": params, "seeds": 2, f"{y}_sd": 0.01}
    found = StudyLaw(table(n, family="other", **columns), "params", y).leave_one_out()
    assert np.isfinite(found[["predicted", "low", "high"]]).all(axis=None)
    assert (found["low"] <= found["predicted"]).all() and (found["predicted"] <= found["high"]).all()


def test_place_is_the_probability_below_a_value():
    law = StudyLaw(table(), "params", "ap50")
    found = law.predict(candidate())
    places = [law.place(candidate(), value, 1) for value in (found.low, found.expected, found.high)]
    assert places == pytest.approx([0.025, 0.5, 0.975], abs=1e-6)


def compare(rows, first, second, y="ap50"):
    return StudyLaw(rows, "params", y).compare(rows.loc[first], rows.loc[second])


def test_the_better_of_two_measured_models_is_told_by_what_they_measured():
    rows = table()
    rows.loc[[0, 1], "params"] = 1e7
    rows.loc[[0, 1], "ap50"] = [0.30, 0.20]
    assert compare(rows, 0, 1) > 0.9
    assert compare(rows, 0, 1) + compare(rows, 1, 0) == pytest.approx(1)


def test_a_smaller_loss_is_better():
    rows = table(train_loss=np.linspace(0.5, 0.1, 12))
    rows.loc[[0, 1], "params"] = 1e7
    rows.loc[[0, 1], "train_loss"] = [0.1, 0.5]
    assert compare(rows, 0, 1, "train_loss") > 0.9


def test_equal_values_of_equal_cost_are_a_coin():
    rows = table(family="other")
    rows.loc[1, ["params", "ap50"]] = rows.loc[0, ["params", "ap50"]]
    assert compare(rows, 0, 1) == pytest.approx(0.5, abs=1e-6)


def test_noise_of_the_seeds_draws_a_difference_towards_the_law():
    rows = table(family="other")
    rows.loc[[0, 1], "params"] = 1e7
    rows.loc[[0, 1], "ap50"] = [0.20, 0.17]
    certain = rows.assign(seeds=3, ap50_sd=0.0005)
    noisy = rows.assign(seeds=3, ap50_sd=0.05)
    assert 0.5 < compare(noisy, 0, 1) < 0.9 < 0.99 < compare(certain, 0, 1)


def test_degrees_of_freedom_of_the_noise_are_those_of_the_repeats():
    seeds = [3, 3, 2, *[1] * 9]
    sds = [0.02, 0.01, 0.03, *[np.nan] * 9]
    assert StudyLaw(table(seeds=seeds, ap50_sd=sds), "params", "ap50").noise_dof == 5
    assert StudyLaw(table(), "params", "ap50").noise_dof == 0


def test_a_single_run_is_less_certain_than_a_mean_where_the_seeds_tell_their_noise():
    found = StudyLaw(table(seeds=3, ap50_sd=0.03), "params", "ap50").predict(candidate())
    assert found.run_high - found.run_low > found.high - found.low
    alone = StudyLaw(table(), "params", "ap50").predict(candidate())
    assert (alone.run_low, alone.run_high) == (alone.low, alone.high)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (table(2), "2 of at least 3 models"),
        (table(5, ap50=1.0), "0 of at least 3 models"),
        (table(5, params=1e7), "parameters of all 5 models is the same"),
    ],
)
def test_without_a_law_the_reason_is_told(rows, reason):
    with pytest.raises(ValueError, match=reason):
        StudyLaw(rows, "params", "ap50")


@pytest.mark.parametrize("values", [[0.3, 0.3, 0.3], [0.2, 0.3, 0.4]])
def test_three_models_that_lie_on_a_line_have_a_law(values):
    found = StudyLaw(table(3, ap50=values, params=[1e6, 1e7, 1e8]), "params", "ap50").predict(candidate())
    assert 0 <= found.low <= found.expected <= found.high <= 1


def test_of_two_the_probability_to_be_the_best_is_what_a_comparison_says():
    for rows in (table(), table(seeds=2, ap50_sd=0.01), table(train_loss=np.linspace(0.5, 0.1, 12))):
        law = StudyLaw(rows, "params", "train_loss" if rows["train_loss"].notna().all() else "ap50")
        new = [candidate(), *(candidate(model=name, family="f9", params=3e7) for name in "ab")]
        known = rows.to_dict("records")[:2]
        for pair in ((new[0], new[1]), (new[1], new[2]), (new[0], known[0]), (new[1], known[1]), known):
            first, second = law.probability_best(pair)
            assert first + second == pytest.approx(1)
            assert first == pytest.approx(law.compare(*pair), abs=0.015)


def test_models_of_one_new_family_rise_and_fall_together():
    law = StudyLaw(table(24, family=[f"f{index // 6}" for index in range(24)]), "params", "ap50")
    alone = [candidate(model=name, family=name, params=size) for name, size in (("a", 1e7), ("b", 2e7))]
    together = [row | {"family": "new"} for row in alone]
    assert law.compare(*together) < law.compare(*alone)
    assert law.probability_best(together)[0] < law.probability_best(alone)[0]


def test_probabilities_to_be_the_best_sum_to_1_and_favour_the_better():
    rows = table()
    found = StudyLaw(rows, "params", "ap50").probability_best(rows.to_dict("records"))
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()
    assert found.argmax() == rows["ap50"].argmax()


def test_what_many_runs_tend_to_is_known_best_of_what_was_measured():
    rows = table(seeds=2, ap50_sd=0.002)
    law = StudyLaw(rows, "params", "ap50")
    low, middle, high = law.interval(rows.iloc[0])
    assert low < middle < high
    assert middle == pytest.approx(rows["ap50"][0], abs=0.01)
    new = law.interval(candidate())
    assert new[2] - new[0] > high - low


def test_a_run_tells_most_of_a_model_that_was_never_trained():
    rows = table(seeds=2, ap50_sd=0.002)
    law = StudyLaw(rows, "params", "ap50")
    assert law.told_by_run(rows.iloc[0]) == pytest.approx(1 / 3, abs=0.05)  # of three runs
    assert law.told_by_run(candidate()) > 0.8
