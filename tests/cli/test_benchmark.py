"""The benchmark command: one JSON line for each part."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from yolo_plugins.errors import UsageError
from yolo_plugins.testing.benchmark import benchmark_eval

REPO = Path(__file__).resolve().parents[2]
TINY = ["img_size=64,96", "model.backbone.widen_factor=0.125", "model.neck.widen_factor=0.125"]
KEYS = {
    "pipeline": {"pipeline_img_per_s"},
    "train": {"train_img_per_s", "train_step_ms", "loss_ms"},
    "predict": {"predict_ms", "predict_train_form_ms"},
    "eval": {"eval_s", "ap50", "ap50_95"},
    "start": {"start_s", "import_s", "build_s", "data_s", "first_iteration_s"},
}


@pytest.mark.parametrize("what", KEYS)
def test_benchmark_prints_one_json_line(what, synthetic_voc, tmp_path):
    arguments = [what, "--threads", "1", "--batch-size", "2", "--cfg-options", f"data_root={synthetic_voc}", *TINY]
    if what == "eval":
        box = np.array([[1.0, 1, 9, 9]])
        one = np.zeros(1, int)
        truth = dict(gt_image=one, gt_labels=one, gt_bboxes=box, gt_difficult=one.astype(bool))
        np.savez(tmp_path / "found.npz", image=one, labels=one, bboxes=box, scores=np.ones(1), **truth)
        arguments += ["--detections", str(tmp_path / "found.npz")]
    command = [sys.executable, str(REPO / "tools" / "analysis" / "benchmark.py"), *arguments]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120)
    figures = json.loads(result.stdout.strip())
    assert figures.keys() == KEYS[what] | {"benchmark", "threads"}
    assert all(value > 0 for key, value in figures.items() if key != "benchmark")
    if what == "eval":
        assert figures["ap50"] == figures["ap50_95"] == 1


@pytest.mark.parametrize("array", [np.array([{}], dtype=object), np.zeros(1)], ids=["objects", "others missing"])
def test_detections_that_are_no_plain_arrays_are_refused_by_name(array, tmp_path):
    np.savez(tmp_path / "found.npz", gt_image=array)
    with pytest.raises(UsageError, match=r"found\.npz: not an \.npz of plain arrays gt_image, .*; write it by numpy"):
        benchmark_eval(tmp_path / "found.npz")
