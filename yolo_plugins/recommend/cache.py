"""What was measured and counted, kept for the next time: a file for each network and way to run it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from yolo_plugins.costs.latency import Latency
from yolo_plugins.errors import UsageError
from yolo_plugins.files import cache_folder, write_atomically

_Value = TypeVar("_Value")
_FORMAT = 1  # raise it where what is measured, or how, changes


@dataclass(frozen=True)
class Measured:
    """What running a network on a machine says of it.

    Attributes:
        latency: Of one picture; of a single call where it has one round.
        n_bytes: Of the file that the runtime loads; of torch's, of the weights.
        date: When, ISO 8601.
    """

    latency: Latency
    n_bytes: int
    date: str


class Cache:
    """Files of figures, by all that they depend on.

    Args:
        folder: By default one of the package's cache.
        reads: Whether what is there counts.

    Attributes:
        notes: On files that could not be used, or written.
    """

    def __init__(self, folder: Path | None = None, reads: bool = True) -> None:
        self.folder = folder or cache_folder() / "recommend"
        self.reads = reads
        self.notes: list[str] = []

    def get(self, key: Mapping[str, Any], kind: type[_Value]) -> _Value | None:
        """What is known by a key, a value of this dataclass; a damaged file is told, and passed over."""
        path = self._path(key)
        if not self.reads or not path.is_file():
            return None
        try:
            return TypeAdapter(kind).validate_python(json.loads(path.read_text(encoding="utf-8"))["value"])
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            reason = str(error).partition("\n")[0]
            self.notes.append(f"{path} cannot be read ({reason}): passed over")
            return None

    def put(self, key: Mapping[str, Any], value: object) -> None:
        """Keeps a value; where that cannot be, it is told."""
        content = {"key": dict(key), "value": TypeAdapter(type(value)).dump_python(value)}
        try:
            write_atomically(self._path(key), json.dumps(content, indent=1).encode())
        except (OSError, UsageError) as error:
            self.notes.append(f"{self.folder}: figures cannot be kept for the next time ({error})")

    def _path(self, key: Mapping[str, Any]) -> Path:
        text = json.dumps([_FORMAT, dict(key)], sort_keys=True)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"
