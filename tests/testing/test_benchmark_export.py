"""Configs with random weights through `benchmark export`, and test sets that tell one detector from another."""

import csv
import sys
from pathlib import Path

import pytest
import torch

from yolo_plugins.commands import benchmark
from yolo_plugins.config import load_config
from yolo_plugins.datasets.layouts import use_data
from yolo_plugins.datasets.synthetic_voc import make_synthetic_voc
from yolo_plugins.inference.model import load_named_detector
from yolo_plugins.testing.exported import average_precision
from yolo_plugins.testing.random_detector import make_detector

TINY = ["model.backbone.widen_factor=0.125", "model.neck.widen_factor=0.125"]
NO_CACHE = ["img_size=64", "test_dataloader.num_workers=0", "test_dataloader.dataset.cache_images=False", *TINY]


def run(monkeypatch, *arguments: object) -> int:
    """The exit status of the command."""
    monkeypatch.setattr(sys, "argv", ["benchmark", *map(str, arguments)])
    try:
        benchmark.main()
    except SystemExit as ended:
        return ended.code
    return 0


def test_one_table_of_all_that_can_be_exported(tmp_path, monkeypatch, capsys):
    pytest.importorskip("openvino")
    configs = ["yolov5_pico_demo", "no_such_config", "yolov4_csp_voc"]
    options = ["model.backbone.widen_factor=0.125", "model.neck.widen_factor=0.125"]
    formats = ["torchscript", "openvino"]
    told = ["export", "--config", *configs, "--format", *formats, "--threads", 1, "--out", tmp_path / "out"]
    assert run(monkeypatch, *told, "--cfg-options", *options) == 1
    printed = capsys.readouterr()
    assert printed.err.splitlines()[-1].startswith("error: no_such_config: config 'no_such_config' does not exist")
    with (tmp_path / "out" / "export.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["file"]).stem for row in rows] == ["yolov5_pico_demo"] * 3 + ["yolov4_csp_voc"] * 3
    assert [row["format"] for row in rows] == ["torch", *formats] * 2
    assert len(printed.out.splitlines()) == 1 + len(rows)
    for row, original in zip(rows, rows[:1] * 3 + rows[3:4] * 3, strict=True):
        assert float(row["difference"]) <= 1e-4
        assert 0 < float(original["ap50_95"]) < float(original["ap50"]) < 1
        assert float(row["ap50_95"]) == pytest.approx(float(original["ap50_95"]), abs=1e-4)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["export.csv"]


def test_several_configs_are_for_export_alone(monkeypatch, capsys):
    assert run(monkeypatch, "predict", "--config", "yolov5_n_voc", "yolov5_s_voc") == 1
    assert capsys.readouterr().err == (
        "error: --config yolov5_n_voc yolov5_s_voc: predict takes one; give several to export alone\n"
    )


def test_a_detector_that_finds_something_else_scores_otherwise(tmp_path):
    root = make_synthetic_voc(tmp_path / "VOCdevkit", train=2, test=4, long_side_range=(80, 120))
    config = load_config("yolov5_n_voc", NO_CACHE)
    checkpoint, data = make_detector(config, sorted(root.rglob("*.jpg")), tmp_path)
    config, detector, _ = load_named_detector(checkpoint, config, (), "cpu", lambda known: use_data(known, data, None))
    before = average_precision(config, detector)["ap50_95"]
    with torch.no_grad():
        next(detector.bbox_head.parameters()).mul_(1.05)
    assert abs(average_precision(config, detector)["ap50_95"] - before) > 1e-4
