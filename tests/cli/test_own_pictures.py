"""The same own pictures in three layouts, from the command line: one training, one score, whatever the layout."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from datasets.three_layouts import CLASSES, WRITERS, write_all

REPO = Path(__file__).resolve().parents[2]
TINY = [
    "img_size=64",
    "model.backbone.widen_factor=0.125",
    "model.neck.widen_factor=0.125",
    "train_dataloader.batch_size=3",
    *(f"{loader}_dataloader.num_workers=0" for loader in ("train", "val", "test")),
]


def run(cwd, tool, *arguments, options=()):
    """Runs a tool; returns what it printed."""
    command = [sys.executable, REPO / "tools" / tool, *arguments, "--cfg-options", *TINY, *options]
    environment = {**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert result.returncode == 0, result.stderr
    return result


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A folder with the pictures in each layout, and a work folder of an epoch on each."""
    root = tmp_path_factory.mktemp("own")
    write_all(root, seed=5)
    for name in WRITERS:
        result = run(
            root,
            "train.py",
            *("yolov5_n_demo", "--data", name, "--work-dir", f"run_{name}", "--seed", 1),
            options=["train_cfg.max_epochs=1"],
        )
        assert f"{name.upper()} layout; splits: " in result.stderr and "3 classes (cat, dog, owl)" in result.stderr
    return root


def record(root, name):
    return json.loads((root / f"run_{name}" / "record.json").read_text())


def test_losses_scores_and_facts_of_the_data_are_those_of_every_layout(own):
    rows = {name: record(own, name)["epochs"][0] for name in WRITERS}
    for key in ("train_loss", "losses", "scores", "images"):
        assert rows["coco"][key] == rows["voc"][key] == rows["yolo"][key]
    protocols = [record(own, name)["protocol"] for name in WRITERS]
    for key in ("classes", "train_images", "train_objects", "val_images", "val_objects"):
        assert protocols[0][key] == protocols[1][key] == protocols[2][key]
    assert protocols[0]["classes"] == [*CLASSES]


def test_checkpoint_names_the_classes_and_is_tested_and_resumed_by_the_same_option(own):
    path = own / "run_yolo" / "epoch_1.pth"
    meta = torch.load(path, weights_only=False)["meta"]["dataset_meta"]
    assert [*meta["classes"]] == [*CLASSES]
    scores = run(own, "test.py", "yolov5_n_demo", path, "--data", "coco", "--work-dir", "test")
    assert json.loads(scores.stdout)["ap50_95"] == record(own, "voc")["epochs"][0]["scores"]["ap50_95"]
    run(
        own,
        "train.py",
        *("yolov5_n_demo", "--data", "yolo", "--work-dir", "run_yolo", "--seed", 1, "--resume", "--allow-changes"),
        options=["train_cfg.max_epochs=2"],
    )
    resumed = record(own, "yolo")
    assert resumed["resumed_after"] == [1] and len(resumed["epochs"]) == 2
    assert resumed["protocol"]["changes"] == ["after epoch 1, epochs: 1 -> 2"]  # all else is as it was


def test_pictures_are_browsed_and_anchors_fitted_from_any_folder(own, tmp_path):
    data = os.path.relpath(own / "yolo" / "data.yaml", tmp_path)
    run(tmp_path, "browse_dataset.py", "yolov5_n_demo", "--out", "seen.png", "--data", data, "--classes", "owl", "cat")
    assert (tmp_path / "seen.png").exists()
    fitted = subprocess.run(
        [sys.executable, str(REPO / "tools" / "analysis" / "optimize_anchors.py"), "--data", data, "--num", "3"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert " objects in 6 images at 320 x 320 px" in fitted.stdout
