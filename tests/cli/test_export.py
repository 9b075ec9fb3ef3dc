"""`yolo-plugins export` as a user runs it, and its files in the place of checkpoints."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from yolo_plugins.commands import export
from yolo_plugins.config import load_config
from yolo_plugins.inference import Detector
from yolo_plugins.testing.random_detector import make_detector
from yolo_plugins.versions import NO_TELEMETRY

for package in ("onnx", "onnxscript", "onnxruntime", "openvino"):
    pytest.importorskip(package)

REPO = Path(__file__).resolve().parents[2]
HW = (64, 96)
TINY = ["img_size=64,96", "model.backbone.widen_factor=0.125", "model.neck.widen_factor=0.125"]
FORMATS = ["onnx", "openvino", "torchscript", "torch_export"]


def run(*arguments: object, cwd: Path, **changes: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "yolo_plugins", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPO), **changes}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=280, check=False)


@pytest.fixture(scope="module")
def made(synthetic_voc, tmp_path_factory) -> tuple[Path, Path]:
    """A checkpoint as a training writes it, with random weights, and a test set of which it finds a part."""
    options = [f"data_root={synthetic_voc}", "test_dataloader.num_workers=0", *TINY]
    pictures = sorted((synthetic_voc / "VOC2007" / "JPEGImages").glob("*.jpg"))[:8]
    return make_detector(load_config("yolov5_n_voc", options), pictures, tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def checkpoint(made) -> Path:
    return made[0]


@pytest.fixture(scope="module")
def exported(made) -> subprocess.CompletedProcess:
    """All formats in one call, from another folder."""
    checkpoint, data = made
    folder = checkpoint.parent / "elsewhere"
    folder.mkdir()
    result = run("export", checkpoint, "--format", *FORMATS, "--threads", 1, "--data", data, cwd=folder)
    assert result.returncode == 0, result.stderr
    return result


@pytest.fixture(scope="module")
def rows(exported, checkpoint) -> dict[str, dict[str, str]]:
    with (checkpoint.parent / "export.csv").open(newline="") as file:
        return {row["format"]: row for row in csv.DictReader(file)}


def test_each_format_says_what_torch_says(rows):
    assert list(rows) == ["torch", *FORMATS]
    assert 0 < float(rows["torch"]["ap50_95"]) < float(rows["torch"]["ap50"]) < 1
    for name in FORMATS:
        row = rows[name]
        assert float(row["difference"]) <= 1e-4, name
        for score in ("ap50", "ap50_95"):
            assert float(row[score]) == pytest.approx(float(rows["torch"][score]), abs=1e-4), name
        assert 0 < float(row["q1_ms"]) <= float(row["median_ms"]) <= float(row["q3_ms"]), name
        assert int(row["bytes"]) > 100_000 and row["precision"] == "f32" and row["threads"] == "1", name


def test_the_table_is_all_that_is_printed(exported, checkpoint, rows):
    head, *lines, path = exported.stdout.splitlines()
    assert re.split(r"  +", head)[:4] == ["format", "file", "MB", "precision"]
    assert [line.split()[:2] for line in lines] == [[name, Path(row["file"]).name] for name, row in rows.items()]
    assert path == str(checkpoint.parent / "export.csv")


def test_a_file_is_tested_as_its_checkpoint(exported, checkpoint, rows, tmp_path):
    result = run("test", checkpoint.with_suffix(".onnx"), "--out", "scores.json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    scores = json.loads((tmp_path / "scores.json").read_text())
    for name in ("ap50", "ap50_95"):
        assert scores[name] == pytest.approx(float(rows["torch"][name]), abs=1e-4)


@pytest.mark.parametrize("suffix", [".onnx", ".xml", ".torchscript", ".pt2"])
def test_a_file_detects_as_its_checkpoint(exported, checkpoint, picture, suffix):
    expected = next(Detector(checkpoint, score_thr=0.1, device="cpu")(picture)).boxes
    found = next(Detector(checkpoint.with_suffix(suffix), score_thr=0.1)(picture)).boxes
    assert len(expected.scores) > 3
    assert np.allclose(found.scores, expected.scores, atol=1e-4)
    assert np.allclose(found.xyxy, expected.xyxy, atol=1e-2)
    assert list(found.names) == list(expected.names)


@pytest.fixture
def picture(synthetic_voc) -> Path:
    return sorted((synthetic_voc / "VOC2007" / "JPEGImages").glob("*.jpg"))[0]


def test_the_program_of_the_page_finds_the_boxes(checkpoint, picture, tmp_path):
    (tmp_path / "dog.jpg").write_bytes(picture.read_bytes())
    made = run("export", checkpoint, "--nms", "--no-test", "--out", tmp_path, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    Path(tmp_path, "yolov5_n_voc_nms.onnx").rename(tmp_path / "epoch_200_nms.onnx")
    page = (REPO / "docs" / "export.md").read_text()
    (program,) = [code for code in re.findall(r"```python\n(.*?)```", page, re.S) if "onnxruntime" in code]
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = [re.match(r"(\w+) ([\d.]+) \[(.*)\]$", line).groups() for line in done.stdout.splitlines()]
    expected = next(
        Detector(checkpoint, score_thr=0.25, iou_threshold=0.6, device="cpu")(cv2.imread(str(picture)))
    ).boxes
    assert len(found) > 0  # as many as the file keeps: it gives a box every class above the threshold, Detector one
    boxes = [
        [float(side) for side in box.split()]
        for name, score, box in found
        if name == expected.names[0] and abs(float(score) - expected.scores[0]) < 0.05
    ]
    assert min(np.abs(np.subtract(box, expected.xyxy[0])).max() for box in boxes) < 10


def test_nothing_is_reported_to_the_makers_of_runtimes(checkpoint, synthetic_voc, picture, tmp_path):
    """Their telemetry keeps an id of the user in the home folder."""
    pytest.importorskip("nncf")
    home = tmp_path / "home"
    home.mkdir()
    environment = dict.fromkeys(NO_TELEMETRY, "") | {"HOME": str(home), "MPLCONFIGDIR": str(tmp_path / "fonts")}
    int8 = ["--precision", "int8", "--format", "onnx", "openvino", "--no-test", "--out", tmp_path]
    options = ["--cfg-options", f"data_root={synthetic_voc}", *TINY]
    made = run("export", "yolov5_n_voc", checkpoint, *int8, *options, cwd=tmp_path, **environment)
    assert made.returncode == 0, made.stderr
    file = tmp_path / "yolov5_n_voc_int8.xml"
    found = run("infer", picture, "--weights", file, "--out", tmp_path / "out", cwd=tmp_path, **environment)
    assert found.returncode == 0, found.stderr
    left = {path.relative_to(home).parts[:2] for path in home.rglob("*")}
    assert left <= {(".cache",), (".cache", "YAPF")}  # MMEngine's formatter of configs keeps its grammar there


def fault(capsys, monkeypatch, *arguments: object) -> str:
    """The one line that a wrong command ends in."""
    monkeypatch.setattr(sys, "argv", ["export", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        export.main()
    assert ended.value.code == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    return line


def test_wrong_commands_end_in_one_line(checkpoint, tmp_path, capsys, monkeypatch):
    def told(*arguments):
        return fault(capsys, monkeypatch, *arguments, "--out", tmp_path, "--no-test")

    assert "none.pth" in told(tmp_path / "none.pth")
    assert "a second checkpoint; export one at a time" in told(checkpoint, checkpoint)
    assert "--nms --dynamic: final detections are of one picture" in told(checkpoint, "--nms", "--dynamic")
    assert "onnx: is not written in bf16 here; take openvino" in told(checkpoint, "--precision", "bf16")
    assert "give the config before the checkpoint" in told(checkpoint, "--precision", "int8")
    assert "--img-size 64 96 32: give a side" in told(checkpoint, "--img-size", 64, 96, 32)
    if not torch.cuda.is_available():
        assert "tensorrt: engines are built and run on a machine with" in told(checkpoint, "--format", "tensorrt")
    assert list(tmp_path.iterdir()) == []
