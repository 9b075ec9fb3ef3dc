"""The folder of a run: one training at a time works in it, and a new run begins over no earlier one."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yolo_plugins.errors import UsageError
from yolo_plugins.files import FolderLock, folder_lock, remove_temporaries

RECORD = "record.json"
LAST = "last_checkpoint"  # MMEngine's name of the file that holds the path of the newest checkpoint
_CHECKPOINTS = ("epoch_*.pth", "best_*.pth")
_held: list[FolderLock] = []


@contextmanager
def claimed(folder: Path, resume: bool, overwrite: bool) -> Iterator[None]:
    """Holds the lock of a work folder, which a run may use as it is asked to.

    Args:
        folder: Made if it is not there.
        resume: Whether a run in it is to be continued.
        overwrite: Whether a run in it is to be removed.

    Raises:
        UsageError: Another training is at work there, or there is a run with an epoch to lose.
    """
    lock = folder_lock(folder, wait=False)
    _held.append(lock)
    try:
        remove_temporaries(folder)  # of killed runs
        if overwrite and not resume:
            _remove_run(folder)
        if not resume and (found := _finished_work(folder)):
            raise UsageError(
                f"{folder}: holds a run already ({found.name}): continue it with --resume, replace it with "
                "--overwrite, or choose another --work-dir"
            )
        yield
    finally:
        _held.remove(lock)
        lock.release()


def _close_in_child() -> None:
    """A data loader's worker that outlives a killed training by seconds must not hold its lock."""
    for lock in _held:
        for descriptor in lock.descriptors:
            os.close(descriptor)


if hasattr(os, "register_at_fork"):  # Windows has none
    os.register_at_fork(after_in_child=_close_in_child)


def _finished_work(folder: Path) -> Path | None:
    """A checkpoint, or a record that holds an epoch or cannot be read; None in a folder of nothing to lose."""
    return next(_checkpoints(folder), None if recorded_epochs(folder) == 0 else folder / RECORD)


def recorded_epochs(folder: Path) -> int | None:
    """How many epochs the record of a folder tells of, 0 where there is none; None where it cannot be read."""
    try:
        return len(json.loads((folder / RECORD).read_text(encoding="utf-8"))["epochs"])
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _remove_run(folder: Path) -> None:
    for path in (*_checkpoints(folder), folder / LAST, folder / RECORD):
        path.unlink(missing_ok=True)


def _checkpoints(folder: Path) -> Iterator[Path]:
    for pattern in _CHECKPOINTS:
        yield from sorted(folder.glob(pattern))
