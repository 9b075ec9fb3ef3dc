"""The demo as a chain of commands; that it learns is shown by `make demo` itself."""

import re
import subprocess
import sys
from importlib import import_module
from types import SimpleNamespace

import pytest

from yolo_plugins.commands import demo

OUT = "work_dirs/demo"


@pytest.fixture
def run_demo(tmp_path, monkeypatch):
    """Runs the demo in an empty folder, its commands replaced by a function of their arguments; returns these."""

    def run_demo(replacement):
        started = []

        def run(command, check, stdout):
            assert command[:3] == [sys.executable, "-m", "yolo_plugins"]
            assert (stdout == subprocess.DEVNULL) == (command[3] == "test"), "a line of JSON is nothing to look at"
            started.append([*map(str, command[3:])])
            return SimpleNamespace(returncode=replacement(*started[-1]))

        monkeypatch.setattr(subprocess, "run", run)
        monkeypatch.setattr(sys, "argv", ["yolo-plugins demo"])
        demo.main()
        return started

    monkeypatch.chdir(tmp_path)
    return run_demo


def test_demo_ends_with_the_status_of_the_step_that_fails_and_leaves_nothing_old(run_demo, tmp_path, capsys):
    (tmp_path / OUT).mkdir(parents=True)
    (tmp_path / OUT / "metrics.json").write_text('{"ap50": 1}')
    with pytest.raises(SystemExit) as end:
        run_demo(lambda command, *_: 3 if command == "study" else 0)
    assert end.value.code == 3
    assert f"study study_demo --jobs 3 --out {OUT}/study" in (said := capsys.readouterr().out)
    assert "== evaluation" not in said
    assert not (tmp_path / OUT).exists()


def test_demo_gives_each_command_what_it_knows(run_demo, tmp_path, capsys, monkeypatch):
    def leave_results(*_):
        for name, text in {
            "study/yolov5_n_demo_seed0/best_ap50_epoch_9.pth": "",
            "metrics.json": '{"ap50": 0.5, "ap50_95": 0.25}',
            "VOCdevkit/VOC2007/ImageSets/Main/test.txt": "1\n",
            "VOCdevkit/VOC2007/JPEGImages/1.jpg": "",
        }.items():
            (tmp_path / OUT / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / OUT / name).write_text(text)
        return 0

    started = run_demo(leave_results)
    assert "AP50      0.500" in (said := capsys.readouterr().out)
    assert len(re.findall(r"^   done in \d+ s$", said, flags=re.MULTILINE)) == len(started)
    assert [command for command, *_ in started] == ["make-synthetic-voc", "study", "test", "infer", "frontier"]
    for command, *arguments in started:
        monkeypatch.setattr(sys, "argv", [command, "--help"])
        with pytest.raises(SystemExit):
            import_module(f"yolo_plugins.commands.{command.replace('-', '_')}").main()
        known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
        assert {argument for argument in arguments if argument.startswith("--")} <= known
