"""The five parts of docs/extend.md, written to a folder of their own outside the repository, do what the page says."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from yolo_plugins.datasets.voc import VOC_CLASSES, annotation_path, image_path, read_annotation, read_split

REPO = Path(__file__).resolve().parents[2]
PAGE = (REPO / "docs" / "extend.md").read_text()
FILES = dict(re.findall(r"^`my_parts/([\w.]+)`\n\n```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
PARTS = ["my_loss", "my_hook", "my_neck", "my_metric", "my_layout"]
CONFIGS = ["my_loss_voc.py", "my_hook_voc.py", "my_neck_voc.py", "my_metric_voc.py", "my_layout_screws.py"]
TINY = [
    "img_size=64",
    "model.backbone.widen_factor=0.125",
    "model.neck.width=16",
    "train_cfg.max_epochs=3",
    "custom_hooks.0.hours=0",
    "train_dataloader.batch_size=8",
    "train_dataloader.num_workers=0",
    "val_dataloader.num_workers=0",
]


def run(*command: object, cwd: Path, path: Path) -> str:
    """Runs a Python command in which the parts can be imported; returns what it prints."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(path), str(REPO))), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, *map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, timeout=240
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> Path:
    """The page's files beside a checkout, and `all.py`, which has the lines of all its configs."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "yolo_plugins").symlink_to(REPO)
    package = folder / "my_parts"
    package.mkdir()
    for name, text in FILES.items():
        (package / name).write_text(text)
    base = ""
    for name in CONFIGS:
        text = FILES[name].replace('"../yolo_plugins/configs/yolov5_n_voc.py"', repr(base)) if base else FILES[name]
        base = f"with_{name}"
        (package / base).write_text(text)
    (package / "all.py").write_text(f"_base_ = {base!r}\ncustom_imports = dict(imports={PARTS})\n")
    return package


@pytest.fixture(scope="module")
def screws(synthetic_voc, tmp_path_factory) -> Path:
    """The synthetic pictures in the layout of the page, with its two classes."""
    root = tmp_path_factory.mktemp("screws")
    for split in ("train", "test"):
        for folder in ("images", "labels"):
            (root / split / folder).mkdir(parents=True)
        for name in read_split(synthetic_voc, "VOC2007", split):
            picture = image_path(synthetic_voc, "VOC2007", name)
            (root / split / "images" / picture.name).write_bytes(picture.read_bytes())
            truth = read_annotation(annotation_path(synthetic_voc, "VOC2007", name), VOC_CLASSES)
            with (root / split / "labels" / f"{name}.txt").open("w") as file:
                for (x1, y1, x2, y2), label in zip(truth.bboxes.tolist(), truth.labels % 2, strict=True):
                    box = (x1 + x2) / truth.width / 2, (y1 + y2) / truth.height / 2
                    print(label, *box, (x2 - x1) / truth.width, (y2 - y1) / truth.height, file=file)
    return root


@pytest.fixture(scope="module")
def trained(parts, screws, tmp_path_factory) -> tuple[Path, str]:
    """Work folder and console of a training with all five parts."""
    work_dir = tmp_path_factory.mktemp("runs") / "all"
    options = ["--work-dir", work_dir, "--cfg-options", f"data_root={screws}", *TINY]
    return work_dir, run(REPO / "tools" / "train.py", parts / "all.py", *options, cwd=work_dir.parent, path=parts)


@pytest.fixture(scope="module")
def record(trained) -> dict:
    return json.loads((trained[0] / "record.json").read_text())


def test_the_page_shows_each_part_with_its_config():
    assert set(FILES) == {*(f"{part}.py" for part in PARTS), *CONFIGS} | {f"test_{part}.py" for part in PARTS[:4]}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_takes_at_most_fifteen_lines_of_code(part):
    lines = [line for line in FILES[f"{part}.py"].splitlines() if line.strip() and '"""' not in line]
    assert len(lines) <= 15


def test_the_page_s_own_tests_pass(parts, tmp_path):
    assert "4 passed" in run("-m", "pytest", "-q", parts, cwd=tmp_path, path=parts)


def test_each_config_of_the_page_is_read(parts, tmp_path):
    code = "import sys; from yolo_plugins.config import load_config; print(*map(len, map(load_config, sys.argv[1:])))"
    assert len(run("-c", code, *(parts / name for name in CONFIGS), cwd=tmp_path, path=parts).split()) == len(CONFIGS)


def test_the_fourth_term_of_the_loss_is_on_the_console_and_in_the_record(trained, record):
    (row,) = record["epochs"]
    assert list(row["losses"]) == ["box", "obj", "cls", "shape"]
    assert row["train_loss"] == pytest.approx(sum(row["losses"].values()))
    assert f"shape {row['losses']['shape']:.4f}" in trained[1]


def test_the_fourth_term_of_the_loss_is_in_the_tables_and_the_report(record, tmp_path):
    """Of three models, as many as a law needs: the one that was trained, and what wider ones might have given."""
    for width in (1, 2, 4):
        costs = {name: width * record["complexity"][name] for name in ("params", "macs", "flops")}
        (row,) = record["epochs"]
        other = {"config_name": f"x{width}", "config_sha256": str(width), "complexity": record["complexity"] | costs}
        epochs = [row | {"train_loss": row["train_loss"] / width}]
        (tmp_path / "runs" / str(width)).mkdir(parents=True)
        (tmp_path / "runs" / str(width) / "record.json").write_text(json.dumps(record | other | {"epochs": epochs}))
    run(REPO / "tools" / "frontier.py", "runs", "--y", "train_loss", "--out", "out", cwd=tmp_path, path=tmp_path)
    with (tmp_path / "out" / "epochs.csv").open() as file:
        assert {float(line["loss_shape"]) for line in csv.DictReader(file)} == {row["losses"]["shape"]}
    assert "loss_shape" in (tmp_path / "out" / "report.html").read_text()


def test_the_hook_ended_the_training(trained, record):
    assert (record["status"], len(record["epochs"]), record["max_epochs"]) == ("complete", 1, 3)
    assert "stopped early, after epoch 1 of 3" in trained[1].splitlines()


def test_the_neck_was_trained_and_counted(record):
    assert record["modules"]["neck"] == "SumNeck"
    assert record["complexity"]["params_neck"] == (32 + 64 + 128) * 16 + 3 * 2 * 16


def test_the_score_of_the_metric_is_in_the_record_and_on_the_console(trained, record):
    scores = record["epochs"][0]["scores"]
    assert 0 <= scores["count_accuracy"] <= 1
    assert {"ap50", "ap50_95"} < scores.keys()


def test_the_pictures_of_the_layout_were_trained_on_and_can_be_looked_at(parts, screws, record, tmp_path):
    assert record["dataset_sizes"] == {"train": 12, "val": 8}
    assert record["epochs"][0]["images"] == 12
    config = parts / "my_layout_screws.py"
    options = ["--out", "seen.png", "--cfg-options", f"data_root={screws}", "img_size=64"]
    run(REPO / "tools" / "browse_dataset.py", config, *options, cwd=tmp_path, path=parts)
    for name in ("seen.png", "seen_labels.png"):
        assert min(Image.open(tmp_path / name).size) > 64
