"""A file from an http address, for as long as it is read: of limited size and time, and from nowhere else."""

import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from urllib.parse import unquote
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from yolo_plugins.errors import UsageError
from yolo_plugins.faults import first_line

MOST_BYTES = 2**30
SILENCE_SECONDS, MOST_SECONDS = 30, 600  # without a byte, in all
_CHUNK_BYTES = 2**20
# Those of urllib that speak http; a redirect to a file, or to ftp, finds none.
_HANDLERS = (
    *(ProxyHandler, HTTPHandler, HTTPSHandler, HTTPRedirectHandler, HTTPDefaultErrorHandler, HTTPErrorProcessor),
    UnknownHandler,
)


def is_address(text: str) -> bool:
    """Whether a text is an http address."""
    return re.fullmatch(r"https?://\S+", text, re.IGNORECASE) is not None


def name_of(address: str) -> str:
    """A file name for what an address stands for, of letters, digits, dots, dashes and underscores."""
    path = re.sub(r"[?#].*", "", address.partition("://")[2]).partition("/")[2]
    last = PurePosixPath(unquote(path)).name
    return re.sub(r"[^\w.-]+", "_", last).strip(".")[-100:] or "picture"


@contextmanager
def downloaded(address: str) -> Iterator[Path]:
    """Yields a temporary file, with the suffix of the address, that holds what it stands for.

    Raises:
        UsageError: It cannot be fetched, is larger than `MOST_BYTES`, or takes longer than `MOST_SECONDS`.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name_of(address))
        try:
            _fetch(address, path)
        except (OSError, HTTPException, ValueError) as error:
            raise UsageError(
                f"{address} cannot be fetched ({first_line(error)}): check the address and the network"
            ) from error
        yield path


def _fetch(address: str, path: Path) -> None:
    opener = OpenerDirector()
    for handler in _HANDLERS:
        opener.add_handler(handler())
    end = time.monotonic() + MOST_SECONDS
    request = Request(address, headers={"User-Agent": "yolo_plugins"})
    with opener.open(request, timeout=SILENCE_SECONDS) as answer, path.open("wb") as file:
        stated = answer.headers.get("Content-Length", "")
        while chunk := answer.read1(_CHUNK_BYTES):
            file.write(chunk)
            if file.tell() > MOST_BYTES or (stated.isdecimal() and int(stated) > MOST_BYTES):
                raise ValueError(f"more than {MOST_BYTES >> 20} MiB")
            if time.monotonic() > end:
                raise ValueError(f"longer than {MOST_SECONDS} seconds")
        if stated.isdecimal() and file.tell() < int(stated):
            raise ValueError(f"broken off after {file.tell()} of {stated} bytes")
