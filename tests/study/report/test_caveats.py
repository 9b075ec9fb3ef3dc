"""The sentences beside a law, each where its numbers call for it."""

import pandas as pd
import pytest

from yolo_plugins.study.report.caveats import (
    join_words,
    plain,
    tell_best,
    tell_caveats,
    tell_choice,
    tell_law,
)

FIT = {
    **{"x": "macs", "y": "ap50", "group": "yolov5", "n": 9, "residual_dof": 7},
    **{"exponent": 0.1, "exponent_low": 0.05, "exponent_high": 0.15, "exponent_stderr": 0.02},
    **{"exponent_boot_low": 0.04, "exponent_boot_high": 0.16},
    **{"theil_sen_exponent": 0.11, "theil_sen_low": 0.02, "theil_sen_high": 0.2},
    **{"loo_rms": 0.0953, "loo_worst": "worst_model", "aicc_power": 10.0, "aicc_saturating": 9.0, "saturation": 0.7},
    **{"most_influential": "heavy_model", "max_leverage": 0.4, "exponent_without_most_influential": 0.08},
    **{"influence_ratio": 0.7, "influence_p": 0.5, "spread_trend": 1.0, "spread_p": 0.5, "highest_y": 0.8},
    **{"families_share": 0.5, "families_p": 0.5, "effective_n": 4.0, "compared_with": "not_yolov5"},
    **{"level_ratio": 1.27, "level_ratio_low": 1.06, "level_ratio_high": 1.52, "level_p": 0.016},
    **{"slope_difference": 0.06, "slope_difference_low": 0.01, "slope_difference_high": 0.11, "slope_p": 0.03},
    "equal_spread_p": 0.5,
}
UNTESTED = dict.fromkeys(name for name in FIT if name.startswith(("level", "slope", "equal", "compared")))


def caveats(**changes: object) -> str:
    return " ".join(tell_caveats(pd.Series(FIT | changes)))


def test_law_tells_what_twice_the_cost_goes_with():
    assert tell_law(pd.Series(FIT)) == (
        "AP50 scales as FLOPs to the power 0.1 (95 % interval 0.05 to 0.15, 9 models): "
        "twice the FLOPs goes with 1.07 times the AP50 (1.04 to 1.11)."
    )


def test_interval_with_zero_is_told_as_nothing_shown():
    told = tell_law(pd.Series(FIT | {"exponent_low": -0.01}))
    assert told.endswith("The interval contains zero: the data do not show that AP50 changes with FLOPs.")
    assert "twice" not in told


def test_one_degree_of_freedom_is_told_with_its_quantile():
    told = caveats(n=3, residual_dof=1)
    assert "3 models leave 1 residual degree of freedom" in told
    assert "t(0.975) = 12.7" in told
    assert "Three points say little" in told
    assert "Three points" not in caveats()


def test_many_degrees_of_freedom_are_not_told():
    assert "of freedom" in caveats()
    assert "of freedom" not in caveats(n=22, residual_dof=20)


def test_level_and_slope_are_told_first_with_ratio_interval_and_probability():
    level, slope, *others = tell_caveats(pd.Series(FIT))
    assert level == (
        "Level: at equal FLOPs its AP50 is 1.27 times that of models outside YOLOv5 "
        "(95 % interval 1.06 to 1.52, p = 0.016, analysis of covariance): the data show a shift."
    )
    assert slope == (
        "Slope: its exponent minus theirs is 0.06 (95 % interval 0.01 to 0.11, p = 0.03): "
        "the data show that they differ."
    )
    assert not [told for told in others if "scatter differently" in told]
    assert "do not show a shift" in caveats(level_p=0.2)
    assert "p < 0.001): the data show that they differ" in caveats(slope_p=1e-5)
    assert "The two lines scatter differently (p = 0.01)" in caveats(equal_spread_p=0.01)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"families_p": 0.01}, "9 models tell as much as 4 independent ones, and the interval is too narrow."),
        (
            {"influence_p": 0.01},
            "heavy_model lies off the line of the others, by a factor of 0.7 (p = 0.01), and bends",
        ),
        ({"max_leverage": 0.8}, "One model carries 68.9 % of what the slope rests on"),
        ({"theil_sen_exponent": 0.13}, "is 0.13 instead of 0.1, farther off than chance explains"),
        ({"spread_p": 0.01}, "The costly models scatter more than the cheap ones (p = 0.01)"),
        ({"spread_p": 0.01, "spread_trend": -1.0}, "The cheap models scatter more than the costly ones"),
        ({"highest_y": 1.1}, "reaches 1.1 within the fitted range, past the end of the scale, 1"),
    ],
)
def test_warning_comes_where_its_number_calls_for_it_and_before_all_that_warns_of_nothing(changes, told):
    assert told not in caveats()
    sentences = tell_caveats(pd.Series(FIT | UNTESTED | changes))
    assert told in sentences[0]


def test_robust_slope_within_chance_is_told_as_a_number_and_not_as_a_proof():
    assert "by Theil-Sen it is 0.11" in caveats()
    assert "within" not in caveats()
    assert "Theil-Sen" not in caveats(n=3, residual_dof=1)


def test_leave_one_out_error_is_told_as_a_factor():
    assert "off by a factor of 1.1 (root mean square of the logarithm); worst for worst_model." in caveats()


@pytest.mark.parametrize(
    ("saturating", "told"),
    [
        (7.0, "better supported (AICc smaller by 3)"),
        (9.0, "as well supported (AICc smaller by 1): undecided"),
        (13.0, "less supported (AICc larger by 3): the data ask for none, and exclude none"),
        (None, "No law with a limit fits these models"),
    ],
)
def test_verdict_on_levelling_off_follows_the_information_criterion(saturating, told):
    assert told in caveats(aicc_saturating=saturating)


def test_eight_models_cannot_tell_whether_the_curve_levels_off():
    told = caveats(n=8, residual_dof=6)
    assert "Whether the curve levels off cannot be told from so few models: 9 are needed." in told
    assert "supported" not in told


def test_what_could_not_be_computed_is_told_last_in_one_sentence():
    absent = dict.fromkeys(("exponent_boot_low", "loo_rms", "influence_p", "spread_p", "families_p"))
    told = tell_caveats(pd.Series(FIT | UNTESTED | absent))
    assert told[-1].startswith(
        "Too few models, or families, for: an interval by bootstrap, the influence of one model, "
    )
    assert "nan" not in " ".join(told) and "None" not in " ".join(told)
    assert "Level" not in " ".join(told)


def test_choice_lists_the_exponents_of_one_group_and_cost():
    others = [{"y": "recall", "exponent": 0.02}, {"y": "train_loss", "exponent": 0.9, "x": "params"}, {"group": "all"}]
    fits = pd.DataFrame([FIT, *(FIT | change for change in others)])
    assert tell_choice(fits, "macs", "yolov5").endswith("it is 0.02 for recall and 0.1 for AP50.")


def test_best_names_every_model_that_shares_the_best_value():
    models = pd.DataFrame({"model": list("abc"), "macs": [1, 2, 3], "ap50": [0.5, 0.6, 0.6], "train_loss": [3, 1, 2]})
    told = tell_best(models, ("a", "b"), "macs", "ap50")
    assert told.startswith("The best AP50, 0.6, is that of b and c. The costliest by FLOPs is c. ")
    assert told.endswith("Of 3 models, 2 are on the Pareto front: a and b.")


def test_best_training_loss_is_the_smallest():
    models = pd.DataFrame({"model": list("abc"), "macs": [1, 2, 3], "train_loss": [3.0, 1.0, 2.0]})
    assert tell_best(models, ("b",), "macs", "train_loss").startswith(
        "The best training loss, 1, is that of b. The costliest by FLOPs is c with 2."
    )


def test_numbers_are_plain():
    assert [plain(value) for value in (1639.6, 0.05712, 16.5, -0.0001234)] == ["1,640", "0.0571", "16.5", "-0.000123"]
    assert [join_words("a"), join_words("ab"), join_words("abc")] == ["a", "a and b", "a, b and c"]
