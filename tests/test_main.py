"""The command `yolo-plugins`: its list, its subcommands, what it says of a wrong one."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from yolo_plugins import __main__, __version__

COMMANDS = Path(__main__.__file__).parent / "commands"


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the command; returns its exit status and what it printed."""

    def run(*arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["/somewhere/yolo-plugins", *arguments])
        status: object = 0
        try:
            __main__.main()
        except SystemExit as end:
            status = end.code
        return (status, *capsys.readouterr())

    return run


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_names_each_command_with_a_line(run, arguments):
    status, out, _ = run(*arguments)
    assert status == 0
    listed = dict(line.split(maxsplit=1) for line in out.split("\n\n")[1].splitlines())
    assert set(listed) == {path.stem.replace("_", "-") for path in COMMANDS.glob("[!_]*.py")}
    assert listed["train"] == "Trains the detector of a config"
    assert all(listed.values())


def test_help_imports_no_command_and_no_torch(tmp_path):
    code = (
        "import sys; sys.argv = ['yolo-plugins']\n"
        "from yolo_plugins.__main__ import main; main()\n"
        "assert not [name for name in sys.modules if name == 'torch' or name.startswith('yolo_plugins.commands')]"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_a_command_names_itself_in_its_usage(run):
    for command in ("train", "make-synthetic-voc"):
        status, out, _ = run(command, "--help")
        assert (status, out.partition(" [")[0]) == (0, f"usage: yolo-plugins {command}")


def test_a_command_gets_its_own_arguments(run):
    status, _, err = run("frontier", "compare", "one")
    assert status == 2
    assert err.startswith("usage: yolo-plugins frontier compare ")


def test_version_and_folder_are_those_of_the_package(run):
    status, out, _ = run("--version")
    folder = COMMANDS.parent
    assert (status, out) == (0, f"yolo-plugins {__version__} from {folder} (python {platform.python_version()})\n")


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ("trian", "did you mean 'train'?"),
        ("make_synthetic_voc", "did you mean 'make-synthetic-voc'?"),
        ("__init__", "yolo-plugins --help lists them"),
        ("", "yolo-plugins --help lists them"),
        ("../train", "did you mean 'train'?"),
    ],
)
def test_a_wrong_command_is_told_in_one_line_with_the_nearest(run, wrong, remedy):
    assert run(wrong, "yolov5_n_voc") == (1, "", f"error: no command {wrong!r}; {remedy}\n")


def test_the_module_is_the_command(tmp_path):
    command = [sys.executable, "-m", "yolo_plugins", "train", "--help"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.stdout.startswith("usage: yolo-plugins train "), result.stderr
