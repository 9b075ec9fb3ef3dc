"""The numbers behind the warnings, against statsmodels and brute force."""

import numpy as np
import pandas as pd
import pytest

from yolo_plugins.study.laws.doubts import Doubts, doubts_of, examine
from yolo_plugins.study.laws.power_law import PowerLaw, fit_power_law


@pytest.fixture
def law() -> PowerLaw:
    rng = np.random.default_rng(3)
    x = 50 ** rng.random(14)
    y = 0.2 * x**0.2 * np.exp(0.1 * rng.standard_normal(14))
    return fit_power_law(x.tolist(), y.tolist(), [f"m{index}" for index in range(14)])


FAMILIES = [*"aaaabbbcccccdd"]


@pytest.fixture
def frame(law) -> pd.DataFrame:
    return pd.DataFrame({"x": np.log(law.x), "y": np.log(law.y), "family": FAMILIES})


def test_influence_is_the_externally_studentised_residual_of_statsmodels(law, frame):
    statsmodels = pytest.importorskip("statsmodels.formula.api", reason="statsmodels, the oracle, is not installed")
    doubts = examine(law, FAMILIES)
    tests = statsmodels.ols("y ~ x", frame).fit().outlier_test(method="bonf")
    most = law.names.index(law.most_influential)
    assert doubts.influence_p == pytest.approx(tests["bonf(p)"].iloc[most])
    others = np.arange(law.n) != most
    rest = fit_power_law(np.array(law.x)[others], np.array(law.y)[others], [*np.array(law.names)[others]])
    assert doubts.influence_ratio == pytest.approx(law.y[most] / rest.expected(law.x[most]))


def test_families_are_an_analysis_of_covariance(law, frame):
    statsmodels = pytest.importorskip("statsmodels.formula.api", reason="statsmodels, the oracle, is not installed")
    line, levels = (statsmodels.ols(formula, frame).fit() for formula in ("y ~ x", "y ~ x + family"))
    assert examine(law, FAMILIES).families_p == pytest.approx(levels.compare_f_test(line)[1])


def test_families_that_share_all_scatter_leave_as_many_models_as_families():
    x = np.tile(np.geomspace(1, 50, 4), 3)
    noise = 1 + 1e-4 * np.random.default_rng(0).standard_normal(12)
    y = x**0.2 * np.repeat([0.8, 1.0, 1.3], 4) * noise
    doubts = examine(fit_power_law(x, y, [f"m{index}" for index in range(12)]), [*"aaaabbbbcccc"])
    assert doubts.is_clustered
    assert doubts.families_share == pytest.approx(1, abs=1e-4)
    assert doubts.effective_n == pytest.approx(3, abs=1e-2)


@pytest.mark.parametrize("towards", [1, -1])
def test_scatter_that_grows_with_cost_has_a_trend_above_zero(towards):
    rng = np.random.default_rng(0)
    place = np.linspace(0, 1, 40)
    y = 50 ** (0.2 * place) * np.exp(0.1 * 10 ** (towards * (place - 0.5)) * rng.standard_normal(40))
    doubts = examine(fit_power_law(50**place, y, [f"m{index}" for index in range(40)]), ["a"] * 40)
    assert doubts.is_uneven
    assert np.sign(doubts.spread_trend) == towards


def test_one_family_has_no_scatter_of_families_and_few_models_none_of_their_spread(law):
    few = fit_power_law(law.x[:3], law.y[:3], law.names[:3])
    doubts = examine(few, ["a"] * 3)
    assert (doubts.families_p, doubts.spread_p, doubts.influence_p) == (None, None, None)
    assert not (doubts.is_clustered or doubts.is_uneven or doubts.is_influenced or doubts.is_bent)


def test_exact_line_raises_no_doubt():
    x = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0]
    doubts = examine(
        fit_power_law(x, [value**0.5 for value in x], [f"m{index}" for index in range(10)]), [*"aaaaabbbbb"]
    )
    assert not (doubts.is_clustered or doubts.is_uneven or doubts.is_influenced or doubts.is_bent)


def test_one_far_model_carries_the_slope():
    y = [1.0, 1.1, 0.9, 1.05, 2.0]
    assert examine(fit_power_law([1, 1.1, 1.2, 1.3, 100], y, "abcde"), ["f"] * 5).rests_on_one
    assert not examine(fit_power_law([1, 2, 4, 8, 16], y, "abcde"), ["f"] * 5).rests_on_one


def test_predictions_past_a_score_of_one_are_told_and_a_loss_has_no_end(law):
    doubts = examine(law, FAMILIES)
    assert doubts.highest_y == max(law.predict(x).high for x in law.x)
    assert doubts.passes(doubts.highest_y * 0.99)
    assert not doubts.passes(doubts.highest_y * 1.01)
    assert not doubts.passes(None)


def test_doubts_come_back_from_a_row():
    doubts = Doubts(5, 0.1, 0.02, 0.12, 0.4, 1.1, 0.5, None, None, None, None, None, 0.7)
    assert doubts_of(pd.Series(vars(doubts))) == doubts
