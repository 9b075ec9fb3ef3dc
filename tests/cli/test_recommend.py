"""`recommend` from another folder: what it lists and writes of the package's configs, and the line of each fault."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from yolo_plugins.recommend.text import TABLE
from yolo_plugins.study.tables.csv_table import read_table

REPO = Path(__file__).resolve().parents[2]
FITS = REPO / "docs" / "results" / "voc_animals"


def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess:
    """Runs the command in a folder, with a cache of its own there."""
    own = {"PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1", "YOLO_PLUGINS_CACHE": str(cwd / "cache")}
    command = [sys.executable, "-m", "yolo_plugins", "recommend", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=os.environ | own, capture_output=True, text=True, check=False)


def test_a_config_of_the_package_is_measured_and_recommended(tmp_path):
    limits = ("--max-ms", 10_000, "--max-params", 1e6, "--threads", 1, "--minutes", 2)
    result = run(*limits, "--fits", FITS, "--out", "out", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("Budget: 10000 ms, 1 million parameters; on 1 thread of ")
    assert "yolov5_pico_demo is the choice (the only one that fits)" in result.stdout
    assert "of another input size" in result.stdout and "how the models were trained is not recorded" in result.stdout
    table = read_table(tmp_path / "out" / "recommend.csv", TABLE)
    assert table["model"].tolist() == ["yolov5_pico_demo"]
    assert table["latency_low_ms"][0] <= table["latency_ms"][0] <= table["latency_high_ms"][0]
    assert "yolov5_pico_demo" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            "--max-ms 5 --fits nowhere",
            "error: nowhere has no fits.csv: give the folder that yolo-plugins frontier wrote with --out",
        ),
        ("--max-ms 5 --fits {fits} --search timm.*", "error: --search: give --out DIR too"),
        ("--max-ms 5 --fits {fits} --x latency", "latency"),
        ("--max-ms 5 --fits {fits} --y beauty", "'beauty' is no quantity of a study"),
        ("--max-ms 5 --fits {fits} --x ''", "'' is no quantity of a study: give --x params"),
        ("--max-ms 5 --fits {fits} --runtime onnxruntime --precision bf16", "--precision bf16: ONNX Runtime has f32"),
        ("--max-ms 5 --fits {fits} --search nothing.* --base nowhere --out out", "config 'nowhere' does not exist"),
        ("--max-ms 5 --fits {fits} --out file", "file"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(tmp_path, arguments, sentence):
    (tmp_path / "file").touch()
    result = run(*shlex.split(arguments.format(fits=FITS)), "--minutes", 0.001, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("error: "))
    assert sentence in line
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--max-ms 0 --fits x", "argument --max-ms: '0' is no number above 0"),
        ("--max-ms nan --fits x", "argument --max-ms: 'nan' is no number above 0"),
        ("--max-ms 5", "the following arguments are required: --fits"),
        ("--max-ms 5 --fits x --runtime tflite", "argument --runtime: invalid choice: 'tflite'"),
        ("--max-ms 5 --fits x --threads 0", "argument --threads: "),
        ("--max-ms 5 --fits x --minutes -1", "argument --minutes: '-1' is no number above 0"),
        ("--max-ms 5 --fits x --sample 0", "argument --sample: "),
    ],
)
def test_a_bad_argument_is_told_in_the_line_below_the_usage(tmp_path, arguments, sentence):
    result = run(*arguments.split(), cwd=tmp_path)
    assert result.returncode == 2
    assert sentence in result.stderr.splitlines()[-1]
