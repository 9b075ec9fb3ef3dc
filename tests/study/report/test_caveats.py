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
    **{"x": "macs", "y": "ap50", "group": "other", "n": 7, "residual_dof": 5},
    **{"exponent": 0.1, "exponent_low": 0.05, "exponent_high": 0.15},
    **{"exponent_boot_low": 0.04, "exponent_boot_high": 0.16},
    **{"theil_sen_exponent": 0.11, "theil_sen_low": 0.02, "theil_sen_high": 0.2},
    **{"loo_rms": 0.0953, "loo_worst": "worst_model", "aicc_power": 10.0, "aicc_saturating": 9.0, "saturation": 0.7},
    **{"most_influential": "heavy_model", "max_cooks_distance": 0.5, "exponent_without_most_influential": 0.08},
    **{"difference": 0.06, "difference_p": 0.03},
}


def caveats(**changes: object) -> str:
    return " ".join(tell_caveats(pd.Series(FIT | changes)))


def test_law_tells_what_twice_the_cost_goes_with():
    assert tell_law(pd.Series(FIT)) == (
        "AP50 scales as FLOPs to the power 0.1 (95 % interval 0.05 to 0.15, 7 models): "
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


def test_robust_slope_of_three_points_is_not_called_robust():
    assert "Theil-Sen" in caveats()
    assert "Theil-Sen" not in caveats(n=3, residual_dof=1)


@pytest.mark.parametrize(
    ("distance", "told"),
    [(0.5, "distance 0.5)"), (3.0, "distance 3, where more than 1 is much)"), (None, "distance infinite, where more")],
)
def test_influential_model_is_named_with_the_exponent_without_it(distance, told):
    text = caveats(max_cooks_distance=distance)
    assert "heavy_model" in text and told in text
    assert "without it the exponent is 0.08 instead of 0.1." in text


def test_leave_one_out_error_is_told_as_a_factor():
    assert "off by a factor of 1.1 (root mean square of the logarithm); worst for worst_model." in caveats()


@pytest.mark.parametrize(
    ("saturating", "told"),
    [
        (7.0, "better supported (AICc smaller by 3)"),
        (9.0, "as well supported (AICc smaller by 1): undecided"),
        (13.0, "less supported (AICc larger by 3)"),
        (None, "cannot be told"),
    ],
)
def test_verdict_on_levelling_off_follows_the_information_criterion(saturating, told):
    assert told in caveats(aicc_saturating=saturating)


@pytest.mark.parametrize(
    ("p", "told"),
    [
        (0.03, "p = 0.03): the data show that they differ"),
        (0.2, "p = 0.2): the data do not show that they differ"),
        (1e-5, "p < 0.001): the data show"),
    ],
)
def test_difference_of_exponents_is_told_with_its_probability(p, told):
    assert told in caveats(difference_p=p)


def test_what_is_null_is_not_told():
    told = caveats(difference=None, difference_p=None, exponent_boot_low=None, exponent_boot_high=None, loo_rms=None)
    assert "Welch" not in told and "bootstrap" not in told and "nan" not in told and "None" not in told


def test_choice_lists_the_exponents_of_one_group_and_cost():
    others = [{"y": "recall", "exponent": 0.02}, {"y": "train_loss", "exponent": 0.9, "x": "params"}, {"group": "all"}]
    fits = pd.DataFrame([FIT, *(FIT | change for change in others)])
    assert tell_choice(fits, "macs", "other").endswith("it is 0.02 for recall and 0.1 for AP50.")


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
