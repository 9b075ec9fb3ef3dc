"""What laws that were read back say of a model, and whether the probabilities of comparisons are those of events."""

import math
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from yolo_plugins.study.laws.fits import GroupFit, fit_groups, fits_table
from yolo_plugins.study.laws.power_law import Line, fit_power_law
from yolo_plugins.study.laws.prediction import (
    Candidate,
    SeedNoise,
    compare_models,
    law_of,
    own_group,
    predict_model,
    seed_noise,
)
from yolo_plugins.study.tables.csv_table import make_table
from yolo_plugins.study.tables.families import ALL, NOT_YOLOV5
from yolo_plugins.study.tables.schema import MODELS

EXPONENT, NOISE = 0.1, 0.05
STUDIES = 2000


def fit(
    random: np.random.Generator, families: tuple[str, ...] = ("other",), size: int = 6, y: str = "ap50"
) -> list[GroupFit]:
    """Laws of a simulated study: `size` models of each family."""
    rows = []
    for family in families:
        for index, params in enumerate(np.exp(random.uniform(math.log(1e6), math.log(1e8), size))):
            value = 0.1 * params**EXPONENT * math.exp(random.normal(0, NOISE))
            row = {"model": f"{family}_{index}", "family": family, "input_h": 320, "input_w": 320, "macs": 1}
            rows.append((family, row | {"params": int(params), y: value}))
    return fit_groups(make_table(rows, MODELS), "params", y)[0]


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_row_gives_back_the_line_that_was_fitted(random):
    fits = fit(random, ("yolov5", "other"))
    for law, (_, row) in zip(fits, fits_table(fits).iterrows(), strict=True):
        assert law_of(row) == Line(**{field.name: getattr(law.law, field.name) for field in fields(Line)})


@pytest.mark.parametrize(
    ("groups", "family", "own"),
    [
        ([ALL, "yolov5", "other"], "yolov5", "yolov5"),
        ([ALL, "yolov5", "other"], "other", "other"),
        ([ALL, "yolov5", "other"], "scaled_yolov4", ALL),
        ([ALL, "yolov5", NOT_YOLOV5], "other", NOT_YOLOV5),
        ([ALL, "other", NOT_YOLOV5], "yolov5", ALL),
        ([ALL, "yolov5", "other", NOT_YOLOV5], "other", "other"),
    ],
)
def test_own_group_is_the_narrowest_with_a_law(groups, family, own):
    assert own_group(pd.DataFrame({"group": groups}), family) == own


def test_a_model_is_predicted_by_its_group_and_by_all(random):
    fits = fit(random, ("yolov5", "other"))
    laws = {law.group: law for law in fits}
    forecasts = predict_model(fits_table(fits), "yolov5", 2e7)
    assert [forecast.group for forecast in forecasts] == ["yolov5", ALL]
    for forecast in forecasts:
        law = laws[forecast.group]
        assert forecast.prediction == law.law.predict(2e7)
        assert forecast.n == law.law.n
        assert forecast.attainable == pytest.approx(float(law.upper.expected(2e7)))
        assert forecast.tau == 0.9


def test_a_model_of_a_family_without_a_law_is_predicted_by_all_alone(random):
    forecasts = predict_model(fits_table(fit(random)), "scaled_yolov4", 1e12)
    assert [forecast.group for forecast in forecasts] == [ALL]
    assert not forecasts[0].prediction.inside


@pytest.mark.parametrize("basis", ["law", "measured"])
def test_errors_of_comparisons_are_distributed_as_said(basis, random):
    """(actual - expected ln ratio) / standard error is Student's t over many studies: else probabilities are wrong."""
    scores = []
    for _ in range(STUDIES):
        studied = np.exp(random.uniform(math.log(1e6), math.log(1e8), 6))
        law = fit_power_law(studied, 0.1 * studied**EXPONENT * np.exp(random.normal(0, NOISE, 6)), list("cdefgh"))
        table = pd.DataFrame([{"group": ALL} | {field.name: getattr(law, field.name) for field in fields(Line)}])
        costs = np.exp(random.uniform(math.log(1e6), math.log(1e9), 2))
        values = 0.1 * costs**EXPONENT * np.exp(random.normal(0, NOISE, 2))
        measured = values[0] if basis == "measured" else None
        pair = (Candidate("a", "new", costs[0], measured), Candidate("b", "new", costs[1]))
        (verdict,) = compare_models(table, None, "ap50", *pair)
        assert (verdict.basis, verdict.dof) == (basis, 4)
        if basis == "measured":
            prediction = law.predict(costs[1])
            half = math.log(prediction.high / prediction.expected)
            assert verdict.stderr * stats.t.ppf(0.975, 4) == pytest.approx(half)
        scores.append((math.log(values[0] / values[1]) - verdict.log_ratio) / verdict.stderr)
        expected = stats.t.cdf(verdict.log_ratio / verdict.stderr, 4)
        assert verdict.probability == pytest.approx(expected)
    assert stats.kstest(scores, stats.t(4).cdf).pvalue > 0.05


def test_noise_of_seeds_is_pooled_over_the_models_that_were_repeated():
    rows = [("a", 0.4, 0.004, 2), ("b", 0.5, 0.02, 4), ("c", 0.6, None, 1), ("d", 0.7, 0.1, None)]
    columns = {"family": "other", "input_h": 1, "input_w": 1, "params": 1, "macs": 1}
    table = make_table(
        (("", columns | dict(zip(("model", "ap50", "ap50_sd", "seeds"), row, strict=True))) for row in rows), MODELS
    )
    noise = seed_noise(table, "ap50")
    assert noise == SeedNoise(pytest.approx(math.sqrt((0.01**2 + 3 * 0.04**2) / 4)), 4)
    assert seed_noise(table[2:], "ap50") is None
    assert seed_noise(table, "recall") is None


def test_trained_models_are_compared_by_their_means_and_the_noise_of_seeds(random):
    table = fits_table(fit(random))
    pair = Candidate("a", "other", 1e6, 0.5, 3), Candidate("b", "other", 1e8, 0.49, None)
    (verdict,) = compare_models(table, SeedNoise(0.01, 5), "ap50", *pair)
    assert (verdict.basis, verdict.group, verdict.dof) == ("seeds", "", 5)
    assert verdict.log_ratio == math.log(0.5 / 0.49)
    assert verdict.stderr == pytest.approx(0.01 * math.sqrt(1 / 3 + 1))
    assert verdict.probability == pytest.approx(stats.t.cdf(verdict.log_ratio / verdict.stderr, 5))


def test_trained_models_without_repeats_are_compared_by_the_law(random):
    pair = Candidate("a", "other", 1e6, 0.5, 1), Candidate("b", "other", 1e8, 0.49, 1)
    verdicts = compare_models(fits_table(fit(random)), None, "ap50", *pair)
    assert [(verdict.basis, verdict.group) for verdict in verdicts] == [("law", "other"), ("law", ALL)]


def test_models_of_two_families_are_compared_by_the_law_of_all(random):
    table = fits_table(fit(random, ("yolov5", "other")))
    pair = Candidate("a", "other", 1e6), Candidate("b", "yolov5", 1e8)
    (verdict,) = compare_models(table, None, "ap50", *pair)
    assert verdict.group == ALL
    assert verdict.probability < 0.01
    same = compare_models(table, None, "ap50", Candidate("a", "yolov5", 1e7), pair[1])
    assert [verdict.group for verdict in same] == ["yolov5", ALL]


@pytest.mark.parametrize("measured", [None, 0.5])
def test_exchanging_the_models_turns_the_verdict(measured, random):
    table = fits_table(fit(random, size=8))
    pair = Candidate("a", "other", 2e6, measured), Candidate("b", "other", 3e7)
    forth, back = compare_models(table, None, "ap50", *pair), compare_models(table, None, "ap50", *pair[::-1])
    for one, other in zip(forth, back, strict=True):
        assert one.probability == pytest.approx(1 - other.probability)
        assert one.log_ratio == pytest.approx(-other.log_ratio)


def test_a_smaller_loss_is_better(random):
    table = fits_table(fit(random, y="train_loss"))
    cheap, costly = Candidate("a", "other", 1e6), Candidate("b", "other", 1e8)
    (verdict, _) = compare_models(table, None, "train_loss", cheap, costly)
    assert verdict.log_ratio < 0
    assert verdict.probability > 0.99
