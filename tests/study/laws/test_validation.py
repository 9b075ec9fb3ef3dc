"""How well laws predict published detectors that they have not seen: the promises of the documentation."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from yolo_plugins.study.laws.validation import (
    Errors,
    as_models,
    format_errors,
    pooled_law,
    pooled_law_of_costs,
    pooled_law_with_top1,
    power_law_of_all,
    power_law_of_family,
    validate,
)
from yolo_plugins.study.tables.schema import BACKBONES, MODELS, read_table

REPO = Path(__file__).resolve().parents[3]
RESULTS = REPO / "docs" / "results"
FIRST = ("yolov5", "yolov5_p6", "scaled_yolov4", "yolov5_flexible", "flexible_other")


@pytest.fixture(scope="module")
def published():
    return read_table(RESULTS / "published.csv", MODELS)


def test_one_detector_is_predicted_twice_as_well_as_by_a_power_law(published):
    pooled, plain = (validate(published, "ap50_95", predictor) for predictor in (pooled_law, power_law_of_all))
    assert pooled.models == plain.models == 76
    assert pooled.rms < 0.025 < plain.rms
    assert 0.93 <= pooled.coverage <= 0.975
    assert pooled.width < plain.width / 2


def test_the_detectors_on_networks_of_yolo_are_predicted(published):
    models = published[published["family"].isin(FIRST)].reset_index(drop=True)
    pooled = validate(models, "ap50_95", pooled_law)
    assert pooled.models == 22 and pooled.rms < 0.037


def test_intervals_hold_a_new_family(published):
    for families in (FIRST, tuple(published["family"].unique())):
        models = published[published["family"].isin(families)].reset_index(drop=True)
        assert validate(models, "ap50_95", pooled_law, whole_family=True).coverage >= 0.93


def test_top_1_helps_where_the_backbones_are_pretrained():
    models = as_models(read_table(RESULTS / "published_backbones.csv", BACKBONES)).reset_index(drop=True)
    assert not models["source"].str.contains("memory").any()
    assert models["detector"].nunique() == 1
    for whole_family in (False, True):
        with_top1, costs = (
            validate(models, "ap50_95", predictor, whole_family)
            for predictor in (pooled_law_with_top1, pooled_law_of_costs)
        )
        assert with_top1.rms < 0.8 * costs.rms


def test_errors_are_those_of_the_models_that_are_left_out(published):
    models = published[published["family"].isin(("yolov5", "yolox_darknet"))].reset_index(drop=True)
    errors = validate(models, "ap50_95", power_law_of_family)
    assert errors.models == 5  # yolox_darknet has one
    seen = []
    validate(models, "ap50_95", lambda others, model, y: seen.append((len(others), model["model"])), False)
    assert seen == [(5, name) for name in models["model"]]
    seen.clear()
    validate(models, "ap50_95", lambda others, model, y: seen.append(set(others["family"])), True)
    assert seen == [{"yolox_darknet"}] * 5 + [{"yolov5"}]


def test_coverage_and_width_are_counted():
    models = pd.DataFrame({"model": list("abcd"), "family": list("abcd"), "ap50": [0.1, 0.2, 0.3, 0.4]})
    errors = validate(models, "ap50", lambda others, model, y: (0.2, 0.15, 0.35))
    assert errors == Errors(pytest.approx(np.sqrt((0.01 + 0 + 0.01 + 0.04) / 4)), 0.5, pytest.approx(0.2), 4)
    assert "12.25 /  50.0 % / 20.0  n 4" in format_errors([("constant", errors, None)])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--y", "params"], "--y params: give a score: ap50, ap50_95, recall"),
        (["--families", "yolov5"], "5 models of 1 families with ap50_95: at least 8 of 3 are needed"),
        (["nowhere.csv"], "nowhere.csv: cannot be read as a table"),
    ],
)
def test_a_fault_is_one_line(arguments, sentence):
    command = [sys.executable, REPO / "tools" / "analysis" / "check_prediction.py", *arguments]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("error: ") and len(result.stderr.splitlines()) == 1
    assert sentence in result.stderr
