"""The demo as a chain of commands; that it learns is shown by `make demo` itself."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"
REPORT = "import sys\nprint('given', *sys.argv[1:])\n"


@pytest.fixture
def checkout(tmp_path):
    """A checkout whose study fails with status 3, and that holds results of an earlier demo."""
    (tmp_path / "tools").mkdir()
    shutil.copy(TOOLS / "demo.py", tmp_path / "tools")
    (tmp_path / "tools" / "make_synthetic_voc.py").write_text(REPORT)
    (tmp_path / "tools" / "study.py").write_text(REPORT + "sys.exit(3)\n")
    (tmp_path / "work_dirs" / "demo").mkdir(parents=True)
    (tmp_path / "work_dirs" / "demo" / "metrics.json").write_text('{"ap50": 1}')
    return tmp_path


def test_demo_ends_with_the_status_of_the_step_that_fails_and_leaves_nothing_old(checkout, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    command = [sys.executable, checkout / "tools" / "demo.py"]
    result = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True)
    assert result.returncode == 3
    assert "given work_dirs/demo/VOCdevkit" in result.stdout
    assert "given study_demo --jobs 3 --out work_dirs/demo/study" in result.stdout
    assert "== evaluation" not in result.stdout
    assert not (checkout / "work_dirs" / "demo").exists()
    assert list(elsewhere.iterdir()) == []
