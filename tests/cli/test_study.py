"""A study as a user runs it: real trainings on the synthetic set, from another directory."""

import ast
import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from loopback_slurm import submitted

from yolo_plugins.config import load_config
from yolo_plugins.registry import MODELS

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


def test_a_study_on_slurm_is_submitted_told_and_completed(config, synthetic_voc, tmp_path, loopback_slurm):
    config.write_text(STUDY.replace("[0, 1], yolov5_m_voc=[0]", "[0]"))
    options = ast.literal_eval(STUDY.partition("options = ")[2])
    model = MODELS.build(load_config("yolov5_n_voc", options).model)
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    changes = ["--cfg-options", f"data_root={synthetic_voc}", "train_cfg.max_epochs=1", "load_from=weights.pth"]
    on_slurm = ["--slurm", "all", "--gpus", 0, *changes]
    (loopback_slurm / "hold").touch()
    assert "submitted as Slurm job 5001" in study(tmp_path, config, "--detach", *on_slurm).stdout
    assert study(tmp_path, config, "--status", *changes).stdout.splitlines() == [
        "yolov5_n_voc seed 0: queued, 0 of 1 epochs done, Slurm job 5001",
        "0 of 1 runs are complete",
    ]
    (loopback_slurm / "hold").unlink()
    result = study(tmp_path, config, *on_slurm)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 of 1 runs are complete; all 1 under work_dirs/mine are in the tables" in result.stdout
    assert submitted(loopback_slurm) == 1
    log = next(tmp_path.glob("work_dirs/mine/*/jobs/*_log.out")).read_text()
    assert "no checkpoint to resume from, starting with epoch 1 with the weights of weights.pth" in log


def test_nothing_is_detached_from_this_machine(tmp_path):
    result = study(tmp_path, "study_voc", "--detach")
    assert result.returncode == 2
    assert "--detach needs --slurm" in result.stderr


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


def test_a_study_that_could_write_no_tables_trains_nothing(tmp_path):
    code = (
        "import sys; sys.modules['pandas'] = None; sys.argv = ['study', 'study_demo', '--out', 'runs']\n"
        "from yolo_plugins.commands.study import main; main()"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.endswith("pip install 'yolo_plugins[analysis]'\n"), result.stderr
    assert not list(tmp_path.rglob("*.pth")) and not list(tmp_path.rglob("record.json"))


def test_early_stopping_needs_a_command_that_waits(tmp_path):
    done = study(tmp_path, "study_demo", "--slurm", "p", "--detach", "--stop-early")
    assert done.returncode == 2
    assert "--stop-early needs a command that waits for the runs: leave out --detach" in done.stderr
