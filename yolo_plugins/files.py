"""Files that are either complete or not there, and JSON that every reader takes."""

import contextlib
import errno
import json
import math
import os
from pathlib import Path
from typing import Any

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


def json_text(value: Any, indent: int | None = None) -> str:
    """A value as JSON; numbers that are not finite, for which JSON has no word, become null."""
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
