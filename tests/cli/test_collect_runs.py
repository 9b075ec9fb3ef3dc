"""The command that collects: its tables, what it says, and the line that each fault ends in."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from yolo_plugins.study.tables.schema import COMPLEXITY, EPOCHS, PROTOCOLS, RUNS, identify, read_table

REPO = Path(__file__).resolve().parents[2]
TOOL = REPO / "tools" / "analysis" / "collect_runs.py"
EXAMPLE = REPO / "tests" / "study" / "record.json"


@pytest.fixture
def work_dirs(tmp_path):
    """A study of a complete run and one that was killed."""
    complete, killed = tmp_path / "work_dirs" / "a", tmp_path / "work_dirs" / "b"
    complete.mkdir(parents=True)
    killed.mkdir()
    shutil.copy(EXAMPLE, complete / "record.json")
    record = json.loads(EXAMPLE.read_text()) | {"seed": 1, "status": "running"}
    (killed / "record.json").write_text(json.dumps(record))
    return tmp_path / "work_dirs"


def run(*arguments, cwd):
    command = [sys.executable, str(TOOL), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60)


def test_four_tables_are_written_and_what_is_left_out_is_told(work_dirs, tmp_path):
    result = run("work_dirs", "--out", "new/runs.csv", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        "Left out: work_dirs/b/record.json: running after 2 of 2 epochs",
        "1 complete runs of 1 models: new/runs.csv, new/protocols.csv, new/epochs.csv, new/complexity.csv",
    ]
    names = ["complexity.csv", "epochs.csv", "protocols.csv", "runs.csv"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == names
    for table, rows in ((RUNS, 1), (PROTOCOLS, 7), (EPOCHS, 2), (COMPLEXITY, 2)):
        assert identify(tmp_path / "new" / table.name) is table
        assert len(read_table(tmp_path / "new" / table.name, table)) == rows


def test_runs_that_were_not_trained_alike_are_told(work_dirs, tmp_path):
    record = json.loads(EXAMPLE.read_text())
    record |= {"seed": 1, "protocol": {**record["protocol"], "total_batch": 64}, "protocol_sha256": "f" * 64}
    (work_dirs / "b" / "record.json").write_text(json.dumps(record))
    result = run("work_dirs", "--out", "runs.csv", cwd=tmp_path)
    assert "were not trained alike (total_batch: 32 -> 64)" in result.stdout


def test_each_table_goes_where_it_is_sent(work_dirs, tmp_path):
    result = run(work_dirs, "--out", "r.csv", "--epochs", "e.csv", "--complexity", "sub/c.csv", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert all((tmp_path / name).is_file() for name in ("r.csv", "e.csv", "sub/c.csv"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nowhere",), "nowhere: no such folder"),
        (("work_dirs/b",), "no complete run among 1"),
        (("work_dirs", "--out", "epochs.csv"), "--out, --epochs and --complexity name one file"),
    ],
)
def test_a_fault_is_one_line_and_leaves_no_file(work_dirs, tmp_path, arguments, sentence):
    result = run(*arguments, cwd=tmp_path)
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith(f"error: {sentence}")
    assert [path.name for path in tmp_path.iterdir()] == ["work_dirs"]
