"""Level and slope of two lines, against statsmodels; how often the test finds a shift that is not there."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from yolo_plugins.study.laws.level_test import compare_lines
from yolo_plugins.study.laws.power_law import PowerLaw, fit_power_law
from yolo_plugins.study.tables.schema import MODELS, read_table

RESULTS = Path(__file__).resolve().parents[3] / "docs" / "results"


def law_of(models: pd.DataFrame, x: str, y: str) -> PowerLaw:
    rows = models.dropna(subset=[x, y])
    return fit_power_law(rows[x].tolist(), rows[y].tolist(), rows["model"].tolist())


def make_laws(rng: np.random.Generator, sizes=(5, 7), shift=1.0, exponents=(0.2, 0.2)) -> list[PowerLaw]:
    laws = []
    for index, (n, exponent) in enumerate(zip(sizes, exponents, strict=True)):
        x = 50 ** rng.random(n)
        y = x**exponent * np.exp(0.1 * rng.standard_normal(n)) * (shift if index == 0 else 1)
        laws.append(fit_power_law(x.tolist(), y.tolist(), [f"{index}_{number}" for number in range(n)]))
    return laws


@pytest.mark.parametrize(
    ("table", "y"), [("published.csv", "ap50_95"), ("voc_animals/models.csv", "inverse_normalized_loss")]
)
@pytest.mark.parametrize("x", ["macs", "params"])
def test_comparison_is_the_analysis_of_covariance_of_statsmodels(table, x, y):
    statsmodels = pytest.importorskip("statsmodels.formula.api", reason="statsmodels, the oracle, is not installed")
    models = read_table(RESULTS / table, MODELS).dropna(subset=[x, y])
    models = models[(models["family"] == "yolov5") | ~models["family"].str.startswith("yolov5")]
    is_yolov5 = models["family"] == "yolov5"
    found = compare_lines(law_of(models[is_yolov5], x, y), law_of(models[~is_yolov5], x, y))

    data = pd.DataFrame({"y": np.log(models[y]), "x": np.log(models[x].astype(float)), "g": is_yolov5.astype(float)})
    level, slopes = (statsmodels.ols(formula, data).fit() for formula in ("y ~ x + g", "y ~ x * g"))
    ends = np.exp(level.conf_int().loc["g"])
    assert found.level_ratio == pytest.approx(np.exp(level.params["g"]), abs=1e-6)
    assert (found.level_interval.low, found.level_interval.high) == pytest.approx(tuple(ends), abs=1e-6)
    assert found.level_p == pytest.approx(level.pvalues["g"], abs=1e-6)
    assert found.slope_difference == pytest.approx(slopes.params["x:g"], abs=1e-6)
    assert (found.slope_interval.low, found.slope_interval.high) == pytest.approx(
        tuple(slopes.conf_int().loc["x:g"]), abs=1e-6
    )
    assert found.slope_p == pytest.approx(slopes.pvalues["x:g"], abs=1e-6)


@pytest.mark.parametrize(
    ("table", "y", "outside", "told"),
    [
        ("published.csv", "ap50_95", ("scaled_yolov4", "flexible_other"), (1.27, 1.06, 1.52, 0.016)),
        ("voc_animals/models.csv", "inverse_normalized_loss", ("other",), (0.926, 0.881, 0.972, 0.006)),
    ],
)
def test_level_of_yolov5_in_the_shipped_tables(table, y, outside, told):
    models = read_table(RESULTS / table, MODELS)
    yolov5, others = (models[models["family"].isin(families)] for families in (("yolov5",), outside))
    found = compare_lines(law_of(yolov5, "macs", y), law_of(others, "macs", y))
    rounded = (found.level_ratio, found.level_interval.low, found.level_interval.high, found.level_p)
    assert rounded == pytest.approx(told, abs=0.005)


def test_a_shift_that_is_not_there_is_found_in_one_study_of_twenty():
    rng = np.random.default_rng(0)
    found = [compare_lines(*make_laws(rng)) for _ in range(400)]
    for p in ("level_p", "slope_p", "equal_spread_p"):
        assert np.mean([getattr(one, p) < 0.05 for one in found]) == pytest.approx(0.05, abs=0.035)
    assert np.mean([one.level_interval.low < 1 < one.level_interval.high for one in found]) > 0.915


def test_a_shift_of_a_third_and_slopes_that_differ_are_found():
    rng = np.random.default_rng(0)
    assert np.mean([compare_lines(*make_laws(rng, shift=1.33)).level_p < 0.05 for _ in range(100)]) > 0.9
    steep = (compare_lines(*make_laws(rng, exponents=(0.6, 0.2))).slope_p < 0.05 for _ in range(100))
    assert np.mean(list(steep)) > 0.9


def test_exchanged_laws_have_the_inverse_ratio_and_the_same_probabilities():
    first, second = make_laws(np.random.default_rng(1))
    there, back = compare_lines(first, second), compare_lines(second, first)
    assert there.level_ratio * back.level_ratio == pytest.approx(1)
    assert there.slope_difference == pytest.approx(-back.slope_difference)
    assert (there.level_p, there.slope_p, there.equal_spread_p) == pytest.approx(
        (back.level_p, back.slope_p, back.equal_spread_p)
    )


def test_laws_of_shared_models_are_not_compared():
    law = make_laws(np.random.default_rng(0))[0]
    with pytest.raises(ValueError, match="0_0 is in both laws"):
        compare_lines(law, law)


def test_laws_without_scatter_are_not_compared():
    x = [1, 2, 4]
    laws = [fit_power_law(x, [value**2 for value in x], names) for names in ("abc", "def")]
    with pytest.raises(ValueError, match="every point lies on its line"):
        compare_lines(*laws)
