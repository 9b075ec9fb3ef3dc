"""A leaf that adds hooks and loggers of MMEngine's, trained as a user trains it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import torch

REPO = Path(__file__).resolve().parents[2]
LEAF = f"""
_base_ = {str(REPO / "configs" / "yolov5_n_voc.py")!r}
img_size = 64
model = dict(backbone=dict(widen_factor=0.125), neck=dict(widen_factor=0.125))
train_cfg = dict(max_epochs=9)
train_dataloader = dict(batch_size=8, num_workers=0)
val_dataloader = dict(num_workers=0)
custom_hooks = [dict(type="EarlyStoppingHook", monitor="ap50", rule="greater", patience=1, min_delta=1.0)]
default_hooks = dict(checkpoint=dict(interval=5, save_best="auto"), logger=dict(interval=1))
vis_backends = [dict(type="LocalVisBackend")]
visualizer = dict(type="Visualizer", vis_backends=vis_backends)
"""


def train(work_dir: Path, data_root: Path, *arguments: object, path: str = "") -> subprocess.CompletedProcess:
    leaf = work_dir.with_name("leaf.py")
    leaf.write_text(LEAF)
    options = [*arguments, "--cfg-options", f"data_root={data_root}"]
    command = [sys.executable, REPO / "tools" / "train.py", leaf, "--work-dir", work_dir, *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [path, environment.get("PYTHONPATH")]))
    return subprocess.run(
        list(map(str, command)), cwd=work_dir.parent, env=environment, capture_output=True, text=True, timeout=240
    )


def test_a_leaf_adds_hooks_and_loggers_and_loses_none_of_ours(synthetic_voc, tmp_path):
    result = train(tmp_path / "run", synthetic_voc)
    assert result.returncode == 0, result.stderr
    assert "stopped early, after epoch 2 of 9" in result.stdout.splitlines()
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert (record["status"], len(record["epochs"]), record["max_epochs"]) == ("complete", 2, 9)
    checkpoint = torch.load(tmp_path / "run" / "epoch_2.pth", weights_only=True)
    assert {"ema_state_dict", "optimizer"} <= checkpoint.keys()
    assert not (tmp_path / "run" / "epoch_1.pth").exists()
    assert len(list((tmp_path / "run").glob("best_ap50_epoch_*.pth"))) == 1
    (log,) = (tmp_path / "run").glob("*/*.log")
    for hook in ("EarlyStoppingHook", "FiniteLossHook", "ClassCheckHook", "EpochSeedHook", "StepEMAHook"):
        assert f") {hook}" in log.read_text()
    (scalars,) = (tmp_path / "run").glob("*/vis_data/scalars.json")
    rows = [json.loads(line) for line in scalars.read_text().splitlines()]
    assert [row["step"] for row in rows if "loss_box" in row] == [1, 2, 3, 4, 5, 6]
    assert [row["step"] for row in rows if "ap50_95" in row] == [1, 2]


def test_log_names_a_missing_package_before_the_training(synthetic_voc, tmp_path):
    stand_in = tmp_path / "packages" / "tensorboard.py"
    stand_in.parent.mkdir()
    stand_in.write_text("raise ModuleNotFoundError('none here', name='tensorboard')")
    result = train(tmp_path / "run", synthetic_voc, "--log", "tensorboard", path=str(stand_in.parent))
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        "error: vis_backends: TensorboardVisBackend needs a package that is not installed: pip install tensorboard"
    )
    assert not (tmp_path / "run" / "record.json").exists()
