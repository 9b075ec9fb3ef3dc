"""The demo as a chain of commands; that it learns is shown by `make demo` itself."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from yolo_plugins.commands import demo


def test_demo_ends_with_the_status_of_the_step_that_fails_and_leaves_nothing_old(tmp_path, monkeypatch, capsys):
    """Its study fails with status 3, and the folder holds results of an earlier demo."""
    started = []

    def run(command, check):
        started.append(list(map(str, command)))
        return SimpleNamespace(returncode=3 if "study" in command else 0)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["yolo-plugins demo"])
    monkeypatch.setattr(subprocess, "run", run)
    (tmp_path / "work_dirs" / "demo").mkdir(parents=True)
    (tmp_path / "work_dirs" / "demo" / "metrics.json").write_text('{"ap50": 1}')
    with pytest.raises(SystemExit) as end:
        demo.main()
    assert end.value.code == 3
    options = ["--cfg-options", "data_root=work_dirs/demo/VOCdevkit"]
    assert [command[:3] for command in started] == [[sys.executable, "-m", "yolo_plugins"]] * 2
    assert [command[3:] for command in started] == [
        ["make-synthetic-voc", "work_dirs/demo/VOCdevkit"],
        ["study", "study_demo", "--jobs", "3", "--out", "work_dirs/demo/study", *options],
    ]
    assert "== evaluation" not in capsys.readouterr().out
    assert not (tmp_path / "work_dirs" / "demo").exists()
