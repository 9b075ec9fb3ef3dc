"""A check may do what it likes: it ends as a line, and those after it still run."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from yolo_plugins.doctor.lines import Check, Line, run_checks, without_names
from yolo_plugins.errors import UsageError

REPO = Path(__file__).resolve().parents[2]


def tell(text):
    yield Line("ok", "told", text)


def crash():
    os.kill(os.getpid(), signal.SIGKILL)
    yield


def hang():
    time.sleep(60)
    yield


def leave():
    yield Line("ok", "first", "is kept")
    sys.exit("bye")


def fail(error):
    raise error


def chatter():
    print("a package prints")
    os.system("echo a library prints")
    yield Line("ok", "chatter", "")


def run(*looks):
    return list(run_checks([Check(f"check {n}", look, "mend it", 10) for n, look in enumerate(looks)]))


def test_a_crash_a_hang_and_an_exit_are_lines_and_the_next_check_still_runs():
    checks = [
        Check("crash", crash, "mend it"),
        Check("hang", hang, "mend that", 0.5),
        Check("leave", leave, "mend those"),
        Check("told", partial(tell, "alive"), ""),
    ]
    assert list(run_checks(checks)) == [
        Line("fault", "crash", f"ends its process with status {-signal.SIGKILL}; mend it"),
        Line("fault", "hang", "no answer within 0.5 s; mend that"),
        Line("ok", "first", "is kept"),
        Line("fault", "leave", "exits with bye; mend those"),
        Line("ok", "told", "alive"),
    ]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (UsageError("a.py: wrong (3); give 4"), "a.py: wrong (3); give 4"),
        (ImportError("libGL.so.1: cannot open shared object file"), "pip install --force-reinstall"),
        (ImportError("numpy.core\n  failed"), "ImportError: numpy.core failed ("),
        (RuntimeError("x" * 9999), "RuntimeError: xxx"),
        (KeyError("yolo"), "KeyError: 'yolo' ("),
    ],
)
def test_what_a_check_raises_is_a_fault_with_a_remedy(error, text):
    (line,) = run(partial(fail, error))
    assert (line.state, line.name) == ("fault", "check 0")
    assert text in line.text
    assert isinstance(error, UsageError) or "libGL" in line.text or line.text.endswith("; mend it")
    assert len(line.text) < 500


def test_a_script_needs_no_guard_on_linux(tmp_path):
    if sys.platform != "linux":
        pytest.skip("elsewhere a script that starts processes needs one")
    script = tmp_path / "script.py"
    script.write_text(
        "from yolo_plugins.doctor import Check, Line, run_checks\n"
        "print(*run_checks([Check('told', lambda: [Line('ok', 'told', 'alive')], '')]))\n"
    )
    run = subprocess.run(
        [sys.executable, script], env=os.environ | {"PYTHONPATH": str(REPO)}, capture_output=True, text=True
    )
    assert (run.stdout, run.stderr) == ("ok     told             alive\n", "")


def test_what_packages_print_is_no_part_of_the_report(capfd):
    assert run(chatter) == [Line("ok", "chatter", "")]
    said = capfd.readouterr()
    assert said.out == ""
    assert "a library prints" in said.err


def test_long_lines_are_folded_under_their_text():
    shown = str(Line("note", "environment", " ".join(["A=1"] * 60))).splitlines()
    assert shown[0].startswith("note   environment      A=1")
    assert all(line.startswith(" " * 24 + "A=1") for line in shown[1:])
    assert max(map(len, shown)) <= 110


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{home}/data", "~/data"),
        ("in {home}: 3", "in ~: 3"),
        ("{home}-2/data", "{home}-2/data"),
        ("/scratch/alice/data", "/scratch/USER/data"),
        ("/scratch/alice2/alice", "/scratch/alice2/alice"),
    ],
)
def test_paths_do_not_tell_who_the_user_is(monkeypatch, tmp_path, text, shown):
    home = tmp_path / "alice"
    monkeypatch.setenv("HOME", str(home))
    assert without_names(text.format(home=home)) == shown.format(home=home)


def test_a_home_that_is_a_link_is_hidden_by_both_its_paths(monkeypatch, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "disk")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert without_names(f"{tmp_path / 'disk'} {tmp_path / 'home'}") == "~ ~"


def test_a_home_at_the_root_hides_nothing(monkeypatch):
    monkeypatch.setenv("HOME", "/")
    assert without_names(f"{Path('/data/a')}") == "/data/a"
