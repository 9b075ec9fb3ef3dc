"""The command that scales a model to a budget, and the training of what it writes, from other directories."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
TOOL = REPO / "tools" / "analysis" / "compound_scale.py"


def run(*command: object, cwd: Path) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    arguments = [sys.executable, *map(str, command)]
    result = subprocess.run(arguments, cwd=cwd, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_chosen_variant_is_written_as_a_config_that_trains(synthetic_voc, tmp_path):
    place = tmp_path / "a folder"
    place.mkdir()
    options = ["--base", "yolov4_csp", "--budget-macs", "6e7", "--sizes", "64", "96", "--device-peak", "112e12"]
    lines = run(TOOL, *options, "--out", "new/tiny_voc.py", cwd=place).splitlines()
    rows = [line.split() for line in lines if line.startswith("    ")]
    assert rows[0] == ["64", "5", "1", "0.25", "3,325,945", "38,319,104", "63.9%", "725", "11.33", "1461412.0"]
    chosen = next(line for line in lines if line.startswith("Chosen: ")).removeprefix("Chosen: ")
    assert chosen == "64 px, 5 stages, depth 2, width 0.25"
    assert lines[-1] == "Config: new/tiny_voc.py"
    assert [path.name for path in (place / "new").iterdir()] == ["tiny_voc.py"]

    quick = ["train_cfg.max_epochs=1", "train_dataloader.batch_size=12", "train_dataloader.num_workers=0"]
    quick += [f"data_root={synthetic_voc}", "val_dataloader.num_workers=0"]
    config = place / "new" / "tiny_voc.py"
    run(REPO / "tools" / "train.py", config, "--work-dir", "run", "--cfg-options", *quick, cwd=tmp_path)
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert (record["status"], record["input_hw"]) == ("complete", [64, 64])
    assert rows[2][:5] == ["64", "5", "2", "0.25", f"{record['complexity']['params']:,}"]


@pytest.fixture
def in_process(monkeypatch, capsys, tmp_path):
    """Runs the command in this process: its exit status and last line of error; it has to print and leave nothing."""

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [str(TOOL), *arguments])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(TOOL), run_name="__main__")
        output = capsys.readouterr()
        assert output.out == ""
        assert list(tmp_path.iterdir()) == []
        return end.value.code, output.err.splitlines()[-1]

    return call


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["--base", "yolov5_s", "--budget-macs", "5e10"], 1, "error: --base 'yolov5_s': the rule is Scaled-YOLOv4's"),
        (
            ["--budget-macs", "1e9"],
            1,
            "smallest variant of yolov4_p5, 384 px, 5 stages, depth 1, width 0.25: 1,902,624,768; ",
        ),
        (["--budget-macs", "nan"], 1, "error: --budget-macs nan: give the multiply-accumulates"),
        (["--budget-macs", "much"], 2, "argument --budget-macs: invalid float value: 'much'"),
        (["--budget-macs", "3e10", "--device-peak", "-1"], 1, "error: --device-peak -1: give floating-point"),
        (["--budget-macs", "3e10", "--out", "scaled.txt"], 1, "scaled.txt: give the name of a new file that ends in"),
    ],
)
def test_faults_end_in_one_line(in_process, arguments, status, sentence):
    code, line = in_process(*arguments)
    assert code == status
    assert sentence in line


def test_ctrl_c_leaves_no_file(in_process, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("yolo_plugins.costs.compound_scaling.config_text", interrupted)
    assert in_process("--budget-macs", "3e10", "--out", "scaled.py") == (130, "interrupted")
