"""Files that are either complete or not there."""

import contextlib
import errno
import os
import re
from pathlib import Path

from yolo_plugins.errors import UsageError


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


def remove_temporaries(folder: str | Path) -> None:
    """Removes what `write_atomically` left where its process was killed; call it where no other process writes."""
    for path in Path(folder).glob(".*.tmp"):
        if re.fullmatch(r"\..+\.\d+\.tmp", path.name):
            path.unlink(missing_ok=True)
