"""The command that prints the scaling theory, from another directory, and the line that each fault ends in."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from yolo_plugins.costs.scaling_table import format_blocks, format_stages

TOOL = Path(__file__).resolve().parents[2] / "tools" / "analysis" / "scaling_table.py"


def cells(text: str, name: str) -> list[str]:
    """What stands after a row's name in the last table that has such a row."""
    row = [line for line in text.splitlines() if line.startswith(f"{name} ")][-1]
    return row.removeprefix(name).split()


def test_savings_stand_next_to_the_articles_and_the_reason_below(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, TOOL, "--layers", "8"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert cells(result.stdout, "residual") == ["23.5%", "23.5%", "14.7%", "-2.9%", "-2.9%", "3,", "9"]
    assert cells(result.stdout, "resnext") == ["46.7%", "46.7%", "38.0%", "20.4%", "20.4%", "1.5,", "4.5"]
    assert cells(result.stdout, "darknet") == ["50.0%", "50.0%", "48.1%", "44.4%", "44.4%", "0.3,", "0.9"]
    assert "figures are the limit of many layers" in result.stdout
    assert cells(result.stdout, "YOLOv4-P7") == ["4141", "1536", "2.70", "8025", "7981"]
    assert list(tmp_path.iterdir()) == []


def test_stage_rows_hold_formula_and_count():
    text = format_stages(2, 64, 8)
    plain = 5 * 8 * 8 * 2 * 64**2
    assert cells(text, "darknet") == ["5", "k", f"{plain:,}", f"{plain:,}", "4.00", "2.00", "4.00"]
    csp = 8 * 8 * 64**2 * 29 // 4  # 9/4 + 2 x 5/2
    assert cells(text, "darknet, CSP")[-5:] == [f"{csp:,}", f"{csp:,}", "4.00", "1.69", "4.00"]


def test_built_tiny_block_is_in_the_table_and_counts_the_same():
    text = format_blocks(3, 16, 8, 5)
    order, layers, transition, io = (int(cell.replace(",", "")) for cell in cells(text, "YOLOv4-tiny's"))
    assert (order, layers, transition, io) == (25 * 3 * 8**2, 25 * 27 * 16**2 // 2, 25 * 16**2, 25 * 6 * 16)
    assert (
        f"As built, YOLOv4-tiny's block of k = 3, g = 8 counts {layers + transition:,} MACs and a CIO of {io:,}."
        in text
    )


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--channels", "100", "100 channels do not fit ResNeXt's 32 groups: give a multiple of 64"),
        (
            "--tiny-channels",
            "63",
            "63 channels, 3 layers of growth 31: the channels b and b/2 + k g are to be halved, give even ones",
        ),
        ("--growth", "31", "b/2 + k g are to be halved"),
        ("--growth", "10", "give layers x growth of 64/2 or more"),
    ],
)
def test_numbers_that_no_stage_can_have_are_refused_in_one_line(option, value, sentence, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(TOOL), option, value])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(TOOL), run_name="__main__")
    output = capsys.readouterr()
    assert (end.value.code, output.out) == (1, "")
    assert output.err.startswith("error: ") and sentence in output.err
    assert len(output.err.splitlines()) == 1


@pytest.mark.parametrize("option", ["--layers", "--channels", "--size", "--tiny-layers", "--tiny-channels", "--growth"])
@pytest.mark.parametrize("value", ["0", "-1", "100000", "nan"])
def test_numbers_out_of_their_range_are_refused_before_anything_is_built(option, value, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(TOOL), option, value])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(TOOL), run_name="__main__")
    assert end.value.code == 2
    assert f"argument {option}: '{value}' is no whole number, from 1 to" in capsys.readouterr().err
