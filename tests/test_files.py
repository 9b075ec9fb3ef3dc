"""Locks of folders between processes, JSON as every tool writes it; atomic writes are tested where checkpoints are."""

import errno
import fcntl
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from yolo_plugins.errors import UsageError
from yolo_plugins.files import LOCKED_FOLDER, folder_lock, is_locked, json_text

# Arguments: folder, "wait" or "". Tells how it went, then holds what it got until its input ends.
LOCKER = """
import sys
from pathlib import Path
from yolo_plugins.errors import UsageError
from yolo_plugins.files import folder_lock
try:
    lock = folder_lock(Path(sys.argv[1]), wait=bool(sys.argv[2]))
except UsageError as error:
    sys.exit(f"refused: {error}")
print("locked", flush=True)
sys.stdin.read()
"""


def start(folder: Path, wait: bool = False, held: Path | None = None, **options) -> subprocess.Popen:
    environment = os.environ | ({LOCKED_FOLDER: str(held)} if held else {})
    command = [sys.executable, "-c", LOCKER, str(folder), "wait" if wait else ""]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, env=environment, text=True, **pipes, **options)


def test_one_process_has_the_lock_until_it_is_killed(tmp_path):
    folder = tmp_path / "new" / "run"
    assert not is_locked(folder)
    first = start(folder)
    assert first.stdout.readline() == "locked\n"
    assert is_locked(folder)
    _, said = start(folder).communicate()
    assert said == f"refused: {folder}: another training is at work here: wait for its end, or choose another folder\n"
    first.kill()
    first.communicate()
    assert not is_locked(folder)
    folder_lock(folder, wait=False).release()


def test_whoever_waits_gets_the_lock_when_it_is_free(tmp_path):
    lock = folder_lock(tmp_path, wait=False)
    second = start(tmp_path, wait=True)
    time.sleep(0.5)
    assert second.poll() is None
    lock.release()
    assert second.stdout.readline() == "locked\n"
    second.communicate()


@pytest.mark.parametrize("wait", [True, False])
def test_a_child_that_was_handed_the_lock_neither_waits_nor_is_refused_and_keeps_it(tmp_path, wait):
    lock = folder_lock(tmp_path, wait=False)
    child = start(tmp_path, wait, held=tmp_path, pass_fds=lock.descriptors)
    assert child.stdout.readline() == "locked\n"
    lock.release()
    assert is_locked(tmp_path)  # by the child alone
    child.communicate()
    assert not is_locked(tmp_path)


def test_a_grandchild_needs_no_descriptor(tmp_path):
    lock = folder_lock(tmp_path, wait=False)
    child = start(tmp_path, held=tmp_path)
    assert child.stdout.readline() == "locked\n"
    child.communicate()
    lock.release()


def test_the_lock_of_another_folder_and_a_lock_that_nobody_holds_say_nothing(tmp_path):
    lock = folder_lock(tmp_path / "a", wait=False)
    child = start(tmp_path / "a", held=tmp_path / "b")
    assert child.communicate()[1].startswith("refused: ")
    lock.release()
    child = start(tmp_path / "a", held=tmp_path / "a")
    assert child.stdout.readline() == "locked\n"
    assert is_locked(tmp_path / "a")
    child.communicate()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_told_in_one_line(tmp_path, monkeypatch, code):
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(UsageError, match=r"\.lock: cannot be locked \(.*\): give its file system locks") as told:
        folder_lock(tmp_path, wait=True)
    assert "\n" not in str(told.value)
    assert os.strerror(code) in str(told.value)


def test_numbers_that_json_has_no_word_for_are_null_at_any_depth():
    value = {"a": math.nan, "b": [math.inf, (1.5, -math.inf)], "c": {"d": None, "e": "NaN"}}
    assert json.loads(json_text(value)) == {"a": None, "b": [None, [1.5, None]], "c": {"d": None, "e": "NaN"}}
    assert json_text({"a": 0.1}, indent=1) == json.dumps({"a": 0.1}, indent=1)
