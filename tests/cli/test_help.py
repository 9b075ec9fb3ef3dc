"""Every tool answers --help at once: before any library is imported, from any directory."""

import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
TOOLS = sorted((REPO / "tools").rglob("*.py"))

RUN_AS_COMMAND = """
import runpy, sys
sys.argv = [{tool!r}, "--help"]
try:
    runpy.run_path({tool!r}, run_name="__main__")
except SystemExit as end:
    assert end.code == 0
assert not [name for name in ("torch", "numpy", "mmengine", "pandas", "cv2") if name in sys.modules]
"""


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.stem)
def test_help_is_printed_without_any_library(tool, tmp_path):
    command = [sys.executable, "-c", RUN_AS_COMMAND.format(tool=str(tool))]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("usage: ")


def test_a_reader_that_has_enough_is_no_fault(tmp_path):
    code = "from yolo_plugins.cli import one_line_errors\nwith one_line_errors():\n    print('y' * 99999)"
    command = f"'{sys.executable}' -c \"{code}\" | head -c 9"
    result = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("y" * 9, "")


@pytest.mark.parametrize("script", ["dist_train.sh", "dist_test.sh", "slurm_train.sh"])
def test_launch_scripts_tell_their_usage(script, tmp_path):
    command = ["bash", REPO / "tools" / script]
    asked = subprocess.run([*command, "--help"], cwd=tmp_path, capture_output=True, text=True)
    wrong = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (asked.returncode, wrong.returncode) == (0, 2)
    assert f"{script} " in asked.stdout
    assert wrong.stderr == asked.stdout
