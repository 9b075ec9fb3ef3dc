"""Files that are complete or not there, JSON that every reader takes, folders in which one process works at a time."""

import contextlib
import errno
import itertools
import json
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from yolo_plugins.errors import UsageError

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None  # type: ignore[assignment]

_WHEEL = Path(__file__).resolve().parent / ".mim"  # where packages of OpenMMLab carry their configs
REPO = _WHEEL if _WHEEL.is_dir() else _WHEEL.parents[1]  # it holds configs/, and tables in docs/results/
EXPORTED = {  # networks for other runtimes, no weights: suffix by format
    "onnx": ".onnx",
    "openvino": ".xml",
    "torchscript": ".torchscript",
    "torch_export": ".pt2",
    "tensorrt": ".engine",
}
LOCKED_FOLDER = "YOLO_PLUGINS_LOCKED_FOLDER"  # environment: the folder that the starter of a process locked for it
_HELD_BY_ANOTHER = {errno.EWOULDBLOCK, errno.EACCES}  # what flock says on local and on network file systems


def cache_folder() -> Path:
    """Where what can be made again is kept: the environment's YOLO_PLUGINS_CACHE, else ~/.cache/yolo_plugins."""
    return Path(os.environ.get("YOLO_PLUGINS_CACHE") or Path.home() / ".cache" / "yolo_plugins")


def or_shipped(path: Path) -> Path:
    """A path from the current folder, or, where nothing is there, from `REPO`, if that holds it."""
    return path if path.exists() or not (REPO / path).exists() else REPO / path


def is_disk_full(error: BaseException) -> bool:
    """Whether a write failed because the disk, or the user's share of it, is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def write_atomically(path: str | Path, data: bytes | memoryview) -> None:
    """Writes a file under a temporary name beside it, then renames it: a reader sees the old or the new content.

    Raises:
        UsageError: The disk (or the quota) is full; the old file, if there was one, is untouched.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # some file systems tell only now that they are full
        temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if is_disk_full(error):
            raise UsageError(
                f"{path}: disk full, {len(data) / 1e6:.1f} MB do not fit; what was saved before is untouched: "
                "free some space and run it again (a training with --resume)"
            ) from error
        raise


def keep_aside(path: Path) -> Path:
    """Renames a file that cannot be used, so that nothing overwrites it: `record.json` to `record.damaged.json`.

    Returns:
        Its new path, with a number where one was kept before.
    """
    names = (f"{path.stem}.damaged{number or ''}{path.suffix}" for number in itertools.count())
    aside = next(candidate for name in names if not (candidate := path.with_name(name)).exists())
    return path.rename(aside)


@dataclass(frozen=True)
class FolderLock:
    """A lock as long as somebody keeps it: until `release`, or until the process ends, even by -9.

    Attributes:
        release: Gives it up.
        descriptors: For `pass_fds`: a child that gets them holds the lock too, and keeps it when its parent dies. None
            on Windows, whose locks no other process can take over.
    """

    release: Callable[[], None] = lambda: None
    descriptors: tuple[int, ...] = ()


def folder_lock(folder: Path, wait: bool) -> FolderLock:
    """Locks a folder by its file `.lock`.

    A job hands the lock to its training by the descriptors, and says so by the environment variable `LOCKED_FOLDER`, so
    that the training, which calls this function too, does not wait for its own starter. A process for which its
    starter, or the starter of that, holds the lock (torchrun passes on the variable, but no descriptor) goes on as
    well, without a hold of its own. Where nobody holds the lock the variable means nothing: it is taken.

    Args:
        folder: Made if it is not there.
        wait: Until the lock is free, however long that takes.

    Raises:
        UsageError: Another process holds the lock and `wait` is false, or the file system cannot lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mine = os.environ.get(LOCKED_FOLDER) == str(folder.resolve())
    lock = (_take_of_filelock if fcntl is None else _take_of_flock)(folder / ".lock", wait and not mine)
    if lock is None and not mine:
        raise UsageError(f"{folder}: another training is at work here: wait for its end, or choose another folder")
    return lock or FolderLock()


def _take_of_flock(path: Path, wait: bool) -> FolderLock | None:
    """A lock that belongs to the open file, not to the process; None where another one holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        os.close(descriptor)
        if error.errno in _HELD_BY_ANOTHER:
            return None
        raise UsageError(
            f"{path}: cannot be locked ({os.strerror(error.errno or 0)}): give its file system locks (NFS: the lock "
            "service, Lustre: mount it with flock), or choose a folder on another one"
        ) from error
    return FolderLock(partial(os.close, descriptor), (descriptor,))


def _take_of_filelock(path: Path, wait: bool) -> FolderLock | None:
    """The lock that the package filelock has for this system; None where another process holds it."""
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(blocking=wait)
    except Timeout:
        return None
    return FolderLock(lock.release)


def is_locked(folder: Path) -> bool:
    """Whether a process holds the lock of a folder. Nothing is written, and nobody who waits is held up."""
    path = folder / ".lock"
    if fcntl is None:
        lock = _take_of_filelock(path, wait=False) if path.exists() else FolderLock()
        if lock is not None:
            lock.release()
        return lock is None
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _HELD_BY_ANOTHER
    finally:
        os.close(descriptor)
    return False


def json_text(value: Any, indent: int | None = None) -> str:
    """A value as JSON; numbers that are not finite, for which JSON has no word, become null."""
    finite = change_leaves(value, lambda leaf: None if isinstance(leaf, float) and not math.isfinite(leaf) else leaf)
    return json.dumps(finite, indent=indent, allow_nan=False)


def change_leaves(value: Any, change: Callable[[Any], Any]) -> Any:
    """What JSON can hold, anew, with each text, number, truth value and None in it changed."""
    if isinstance(value, dict):
        return {key: change_leaves(item, change) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [change_leaves(item, change) for item in value]
    return change(value)


def remove_temporaries(folder: str | Path) -> None:
    """Removes what `write_atomically` left where its process was killed; call it where no other process writes."""
    for path in Path(folder).glob(".*.tmp"):
        if re.fullmatch(r"\..+\.\d+\.tmp", path.name):
            path.unlink(missing_ok=True)
