"""A study as a user runs it: real trainings on the synthetic set, from another directory."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
STUDY = """
runs = dict(yolov5_n_voc=[0, 1], yolov5_m_voc=[0])
options = [
    "img_size=64",
    "model.backbone.widen_factor=0.125",
    "model.neck.widen_factor=0.125",
    "train_dataloader.batch_size=8",
    "train_dataloader.num_workers=0",
    "val_dataloader.num_workers=0",
]
"""


def study(folder: Path, *arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, str(REPO / "tools/study.py"), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=400, check=False
    )


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def config(tmp_path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(STUDY)
    return path


def test_a_study_trains_every_seed_of_every_model_once_and_ends_with_its_tables(config, synthetic_voc, tmp_path):
    options = ["--cfg-options", f"data_root={synthetic_voc}", "train_cfg.max_epochs=1"]
    result = study(tmp_path, config, "--jobs", 2, *options)
    assert result.returncode == 0, result.stdout + result.stderr
    out = tmp_path / "work_dirs" / "mine"
    assert {(row["model"], row["seed"]) for row in rows(out / "runs.csv")} == {
        ("yolov5_n_voc", "0"),
        ("yolov5_n_voc", "1"),
        ("yolov5_m_voc", "0"),
    }
    assert len(rows(out / "epochs.csv")) == 3
    assert {(row["model"], row["form"]) for row in rows(out / "complexity.csv")} == {
        (model, form) for model in ("yolov5_n_voc", "yolov5_m_voc") for form in ("train", "deploy")
    }
    assert "3/3 runs, 0 s left" in result.stdout
    assert "3 of 3 runs are complete" in result.stdout
    records = [json.loads(path.read_text()) for path in sorted(out.glob("*/record.json"))]
    assert len({record["config_sha256"] for record in records}) == 2  # seeds of a model share it
    assert not any(record["command"].startswith("/") for record in records)  # a machine is not named

    before = {path: path.stat().st_mtime_ns for path in out.glob("*/record.json")}
    assert study(tmp_path, config, *options).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/record.json")} == before


def test_a_run_that_fails_is_named_with_its_reason(config, tmp_path):
    config.write_text("runs = dict(yolov5_n_voc=[0])")
    result = study(tmp_path, config, "--cfg-options", "data_root=nowhere")
    assert result.returncode == 1
    assert "0 of 1 runs are complete" in result.stdout
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "yolov5_n_voc seed 0: failed (error: " in line
    assert "nowhere" in line
    assert "the same command goes on" in line
    assert not (tmp_path / "work_dirs/mine/runs.csv").exists()


def test_a_study_is_no_model(tmp_path):
    command = [sys.executable, str(REPO / "tools/train.py"), "study_voc"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "study_voc.py is a study, no model" in result.stderr
