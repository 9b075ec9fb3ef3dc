"""The command that counts: its table, its bars, and the line that each fault ends in."""

import csv
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
TOOL = REPO / "tools" / "analysis" / "collect_complexity.py"
COLUMNS = [
    *("model", "form", "input_h", "input_w"),
    *(f"{quantity}{part}" for part in ("", "_backbone", "_neck", "_head") for quantity in ("params", "macs", "flops")),
    *("macs_thop", "uncounted_operators", "uncounted_by_thop"),
]


def test_two_configs_give_exact_rows_a_table_and_bars(golden_dir, tmp_path):
    command = [sys.executable, TOOL, "yolov5_n_voc", "configs/yolov5_s_voc.py", REPO / "configs" / "yolov5_n_voc.py"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [*command, "--out", "new/counts.csv"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert [path.name for path in sorted((tmp_path / "new").iterdir())] == ["counts.csv", "counts.png"]
    assert (tmp_path / "new" / "counts.png").read_bytes().startswith(b"\x89PNG\r\n")
    with (tmp_path / "new" / "counts.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == COLUMNS
    names = ["yolov5_n_voc", "yolov5_s_voc"]
    assert [(row["model"], row["form"]) for row in rows] == [(name, form) for name in names for form in FORMS]
    with (golden_dir / "complexity.csv").open() as file:
        golden = {row["model"]: row for row in csv.DictReader(file) if row["nc"] == "20"}
    for row in rows:
        expected = golden[row["model"].replace("_", "", 1).removesuffix("_voc")]
        params = "params_trainable" if row["form"] == "train" else "params_fused"
        assert (row["params"], row["macs"]) == (expected[params], expected["conv_macs_320"])
        assert (row["input_h"], row["input_w"]) == ("320", "320")
        if row["form"] == "train":
            assert row["macs_thop"] == expected["thop_macs_320"]
    assert [line.split()[0] for line in result.stdout.splitlines() if line.startswith("yolov5")] == names
    assert "7.074" in result.stdout


FORMS = ["train", "deploy"]


@pytest.fixture
def fault(monkeypatch, capsys, tmp_path):
    """Runs the command in this process and returns its error line; it has to leave no file."""

    def run(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", [str(TOOL), *map(str, arguments)])
        monkeypatch.chdir(tmp_path)
        before = set(tmp_path.iterdir())
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(TOOL), run_name="__main__")
        assert end.value.code == 1
        assert set(tmp_path.iterdir()) == before
        output = capsys.readouterr()
        assert output.out == ""
        return output.err.splitlines()[-1]

    return run


def config(path: Path, text: str = "") -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"_base_ = [{str(REPO / 'configs' / 'yolov5_n_voc.py')!r}]\n{text}")
    return path


def test_unknown_config_is_told_before_anything_is_counted(fault):
    assert fault("yolov5_n_voc", "yolov5_q_voc").startswith("error: config 'yolov5_q_voc' does not exist; did you mean")


def test_a_refused_size_names_the_config(fault):
    line = fault("yolov5_n_voc", "--input-hw", 320, 330)
    assert "configs/yolov5_n_voc.py: input size 320x330 (height x width) is not a multiple" in line


def test_a_missing_optional_package_names_the_config_and_the_remedy(fault, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    line = fault("yolov5_ghostnet_voc", "--input-hw", 64, 64)
    assert "configs/yolov5_ghostnet_voc.py: " in line
    assert "pip install 'yolo_plugins[backbones]'" in line


def test_a_fault_of_the_second_config_leaves_no_table_of_the_first(fault, tmp_path):
    broken = config(tmp_path / "broken.py", "model = dict(backbone=dict(type='YOLOv5CPS'))")
    line = fault("yolov5_n_voc", broken, "--input-hw", 64, 64)
    assert line == f"error: {broken}: unknown type='YOLOv5CPS' (model); did you mean 'YOLOv5CSP'?"


def test_two_configs_of_one_name_are_refused(fault, tmp_path):
    first, second = config(tmp_path / "a" / "mine.py"), config(tmp_path / "b" / "mine.py")
    assert fault(first, second) == (f"error: {second} and {first} have one name in the table: rename one of them")


def test_a_table_that_the_bars_would_overwrite_is_refused(fault):
    assert fault("yolov5_n_voc", "--out", "counts.png").startswith("error: --out counts.png would hold")


def test_a_missing_drawing_library_is_told_before_anything_is_counted(fault, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.delitem(sys.modules, "yolo_plugins.study.report.figures", raising=False)
    assert fault("yolov5_n_voc").endswith("pip install 'yolo_plugins[analysis]'")
