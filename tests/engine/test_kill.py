"""A training that is killed, wherever that may be, ends as the one that nobody disturbed: weights, average, record."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from toy_training import HOOKS

from yolo_plugins.checkpoints.read import load_checkpoint
from yolo_plugins.record import read_record

EPOCHS = 6
# The toy's score falls, so that each epoch's is better than ever by this rule, and its checkpoint replaces the last.
RUN = {"max_epochs": EPOCHS, "hooks": HOOKS | {"checkpoint": HOOKS["checkpoint"] | {"rule": "less"}}}
CLOCKS = ("train_seconds", "data_seconds", "val_seconds", "peak_memory_bytes")
# The calls by which a file comes to be what it is: (method, start of the file's name, whether it has been done).
MOMENTS = [
    (method, name, done)
    for method, name in (("replace", "best_"), ("unlink", "best_"), ("replace", "epoch_"), ("unlink", "epoch_"))
    for done in (False, True)
] + [("replace", "last_checkpoint", False), ("replace", "record.json", False), ("replace", "record.json", True)]


def train_and_kill(make_runner: Callable, killed_by: Callable[[int], None]) -> int:
    """Trains in a child; `killed_by` gets its number and may end it. Returns the status as `os.waitpid` does."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            make_runner("killed", **RUN, resume=True).train()
            status = 0
        finally:
            os._exit(status)
    killed_by(child)
    return os.waitpid(child, 0)[1]


def assert_equal(first: object, second: object) -> None:
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for key, value in first.items():
            assert_equal(value, second[key])
    elif isinstance(first, (list, tuple)):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            assert_equal(one, other)
    else:
        assert torch.equal(first, second) if torch.is_tensor(first) else first == second


def assert_ends_as_undisturbed(whole: Path, killed: Path) -> None:
    for name in (f"epoch_{EPOCHS}.pth", next(whole.glob("best_*.pth")).name):
        one, other = (load_checkpoint(folder / name) for folder in (whole, killed))
        for part in {"state_dict", "ema_state_dict", "optimizer"} & one.keys():
            assert_equal(one[part], other[part])
    assert {path.name for path in whole.glob("*.pth")} == {path.name for path in killed.glob("*.pth")}
    one, other = (read_record(folder / "record.json") for folder in (whole, killed))
    for record in (one, other):
        for row in record["epochs"]:
            assert [row.pop(name) for name in CLOCKS]
    for field in ("status", "epochs", "summary", "protocol_sha256", "seed"):
        assert one[field] == other[field]


@pytest.fixture
def whole(make_runner):
    runner = make_runner("whole", **RUN)
    runner.train()
    return Path(runner.work_dir)


def test_twenty_kills_at_random_moments_change_nothing(make_runner, whole):
    dice, killed, kills = random.Random(0), whole.with_name("killed"), 0
    while kills < 20:
        status = train_and_kill(make_runner, lambda child: (time.sleep(dice.uniform(0, 0.6)), os.kill(child, 9)))
        kills += os.waitstatus_to_exitcode(status) == -signal.SIGKILL
        if (killed / "record.json").is_file() and read_record(killed / "record.json")["status"] == "complete":
            assert_ends_as_undisturbed(whole, killed)
            for path in killed.iterdir():
                if path.is_file():
                    path.unlink()
    assert train_and_kill(make_runner, lambda child: None) == 0
    assert_ends_as_undisturbed(whole, killed)


@pytest.mark.parametrize(("method", "name", "done"), MOMENTS)
def test_a_kill_while_a_file_changes_its_content_changes_nothing(make_runner, whole, monkeypatch, method, name, done):
    plain, calls = getattr(Path, method), []

    def deadly(path: Path, *args, **options):
        target = Path(args[0]) if args else path
        is_due = target.name.startswith(name) and target.parent.name == "killed"
        calls.extend([target] * is_due)
        if is_due and len(calls) == 2 and not done:
            os.kill(os.getpid(), signal.SIGKILL)
        result = plain(path, *args, **options)
        if is_due and len(calls) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    monkeypatch.setattr(Path, method, deadly)
    status = train_and_kill(make_runner, lambda child: None)
    monkeypatch.setattr(Path, method, plain)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    assert train_and_kill(make_runner, lambda child: None) == 0
    assert_ends_as_undisturbed(whole, whole.with_name("killed"))
