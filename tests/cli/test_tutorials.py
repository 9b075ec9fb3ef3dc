"""The tutorials, command by command, on a few small pictures and over one epoch instead of ten."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from documented import REPO, blocks, commands
from official_files import coco_weights

from yolo_plugins.checkpoints.read import load_weights
from yolo_plugins.datasets.synthetic_voc import make_synthetic_voc

ONE_EPOCH = ["--cfg-options", "train_cfg.max_epochs=1", "img_size=64"]


@pytest.fixture
def folder(tmp_path):
    """An empty folder but for yolov5n.pt: the official file, or our network with COCO's classes and random weights."""
    official = Path(os.environ.get("YOLO_PLUGINS_WEIGHTS", "nowhere"), "yolov5n_coco.pt")
    if official.is_file():
        shutil.copy(official, tmp_path / "yolov5n.pt")
    else:
        coco_weights(tmp_path / "yolov5n.pt")
    return tmp_path


def run(command: list[str], folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}\n{result.stderr}"
    return result.stdout


def run_page(page: str, folder: Path) -> None:
    """Runs every command of a page in its order."""
    written = [command.text for command in commands(REPO / "docs" / page) if command.text.startswith("yolo-plugins ")]
    assert written
    for text in written:
        _, command, *arguments = shlex.split(text.replace("epoch_10.pth", "epoch_1.pth"))
        if command == "download-voc":
            continue
        if command == "train":
            arguments += ONE_EPOCH
        if command == "make-synthetic-voc":
            arguments += ["--train", "16", "--test", "6"]
        run([sys.executable, "-m", "yolo_plugins", command, *arguments], folder)


def test_own_pictures(folder):
    run_page("tutorial_own_pictures.md", folder)
    assert {path.name for path in folder.iterdir()} >= {"shapes", "seen.png", "work_dirs", "results", "drawn"}
    assert (folder / "results" / "report.html").is_file()
    pictures = list((folder / "shapes" / "VOC2007" / "JPEGImages").iterdir())
    assert {path.name for path in pictures} <= {path.name for path in (folder / "drawn").iterdir()}
    ((_, code),) = blocks(REPO / "docs" / "tutorial_own_pictures.md", "python")
    printed = run([sys.executable, "-c", code.replace("epoch_10", "epoch_1")], folder)
    assert len(printed.splitlines()) == len(pictures)


def test_from_official_weights_to_a_page_of_results(folder):
    make_synthetic_voc(folder / "data" / "VOCdevkit", train=16, test=6, seed=0)
    run_page("tutorial_official_weights.md", folder)
    for page in ("untrained", "trained", "compared"):
        assert (folder / page / "report.html").is_file()
    checkpoint = load_weights(folder / "work_dirs/yolov5_n_finetune/epoch_1.pth")
    assert len(checkpoint["meta"]["dataset_meta"]["classes"]) == 6  # those of the pictures
