"""`record.json` as a file: the version of its schema, and reading it without torch."""

import json
from pathlib import Path
from typing import Any

from yolo_plugins.errors import UsageError

RECORD_VERSION = 2


def read_record(path: str | Path) -> dict[str, Any]:
    """Reads the record of a run.

    Raises:
        UsageError: Not a record of this version.
    """
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        version = record["schema_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        fault = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise UsageError(f"{path}: not a readable record ({fault}): move it away") from error
    if version != RECORD_VERSION:
        raise UsageError(
            f"{path}: record of version {version}, this release reads {RECORD_VERSION}: train it again, or move it away"
        )
    return record
