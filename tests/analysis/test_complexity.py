"""Counts of parameters and multiply-accumulates against the reference."""

import csv

import pytest

from yolo_plugins.analysis.complexity import count_parts, summarize
from yolo_plugins.cli import load_config
from yolo_plugins.registry import MODELS


@pytest.fixture
def reference(golden_dir) -> dict[str, dict[str, str]]:
    """Rows of the reference's table for 20 classes, by model."""
    with (golden_dir / "complexity.csv").open() as file:
        return {row["model"]: row for row in csv.DictReader(file) if row["nc"] == "20"}


@pytest.mark.parametrize("scale", "nsmlx")
def test_every_config_has_exactly_the_reference_counts(scale, reference):
    counts = count_parts(MODELS.build(load_config(f"yolov5_{scale}_voc").model), (320, 320))
    expected = reference[f"yolov5{scale}"]
    assert counts["params"] == int(expected["params_trainable"])
    assert counts["macs"] == int(expected["conv_macs_320"])
    assert counts["flops"] == 2 * counts["macs"]
    for part in ("backbone", "neck", "head"):
        assert counts[f"params_{part}"] == int(expected[f"params_{part}"])
    assert sum(counts[f"macs_{part}"] for part in ("backbone", "neck", "head")) == counts["macs"]


def test_deploy_form_has_the_reference_parameters_and_the_same_macs(reference):
    counts = summarize(MODELS.build(load_config("yolov5_n_voc").model), (320, 320))
    assert counts["params_deploy"] == int(reference["yolov5n"]["params_fused"])
    assert counts["macs_deploy"] == counts["macs"]
    assert counts["images_per_second"] == pytest.approx(1 / counts["latency_seconds"])


def test_operators_without_a_formula_are_named():
    uncounted = count_parts(MODELS.build(load_config("yolov5_n_voc").model), (64, 64))["uncounted_operators"]
    assert {"aten.silu", "aten.max_pool2d_with_indices", "aten.cat"} <= set(uncounted)
    assert "aten.convolution" not in uncounted


def test_counting_leaves_the_model_in_training_mode():
    model = MODELS.build(load_config("yolov5_n_voc").model).train()
    count_parts(model, (64, 64))
    assert model.training
