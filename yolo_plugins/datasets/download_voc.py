"""Fetches the official PASCAL VOC archives: resumes what was broken off, checks every byte, unpacks.

Source: host.robots.ox.ac.uk/pascal/VOC, the challenges' own site. Not by torchvision's downloader: it cannot resume.
"""

import hashlib
import http
import http.client
import shutil
import tarfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from yolo_plugins.errors import UsageError

OFFICIAL_BASE_URL = "http://host.robots.ox.ac.uk/pascal/VOC"
_CHUNK_BYTES = 1 << 20
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Archive:
    """One tar file of the release.

    Attributes:
        path: Place under the base URL.
        md5: Checksum of the file, hexadecimal.
        num_bytes: Size of the file, about what it takes unpacked too; only the estimate of disk space uses it.
    """

    path: str
    md5: str
    num_bytes: int

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.path.rsplit("/", 1)[-1]


OFFICIAL_ARCHIVES: tuple[Archive, ...] = (
    Archive("voc2007/VOCtrainval_06-Nov-2007.tar", "c52e279531787c972589f7e41ab4ae64", 460_032_000),
    Archive("voc2007/VOCtest_06-Nov-2007.tar", "b6e924de25625d8de591ea690078ad9f", 451_020_800),
    Archive("voc2012/VOCtrainval_11-May-2012.tar", "6cd6e144f989b92b3379bac3b3de84fd", 1_999_639_040),
)


def download_voc(
    out: str | Path, base_url: str = OFFICIAL_BASE_URL, archives: Sequence[Archive] = OFFICIAL_ARCHIVES
) -> Path:
    """Brings every archive into `out/VOCdevkit`, with a line of text for each step and a progress bar on a terminal.

    A download that was broken off leaves `NAME.part` and goes on from there at the next call. Once unpacked, an archive
    is removed and leaves `.NAME.done`: the next call skips it. An archive that lies in `out` already is used.

    Args:
        out: Folder to write into.
        base_url: Address of the official site or of a mirror with the same paths.
        archives: What to fetch.

    Returns:
        The VOCdevkit folder.

    Raises:
        UsageError: The server cannot be reached, has no such file or breaks off; a checksum differs (what was fetched
            is then removed); the disk has too little space; `out` cannot be written.
    """
    out = Path(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        missing = [archive for archive in archives if not _done_path(out, archive).exists()]
        _check_space(out, missing)
        for archive in archives:
            if archive in missing:
                _bring(out, f"{base_url.rstrip('/')}/{archive.path}", archive)
            else:
                print(f"{archive.name}: complete", flush=True)
    except OSError as error:
        raise UsageError(f"{out}: {error.strerror or error}; fix that and run again") from error
    return out / "VOCdevkit"


def _done_path(out: Path, archive: Archive) -> Path:
    return out / f".{archive.name}.done"


def _check_space(out: Path, missing: Sequence[Archive]) -> None:
    """Everything unpacked, and the largest archive beside it until it is unpacked."""
    sizes = [archive.num_bytes for archive in missing]
    needed = sum(sizes) + max(sizes, default=0)
    free = shutil.disk_usage(out).free
    if needed > free:
        raise UsageError(
            f"{out}: needs {needed / 1e9:.1f} GB, has {free / 1e9:.1f} GB; free some or give another --out"
        )


def _bring(out: Path, url: str, archive: Archive) -> None:
    """Fetches one archive where it is not there yet, checks it and unpacks it."""
    tar_path, part_path = out / archive.name, out / f"{archive.name}.part"
    if not tar_path.exists():
        print(f"{archive.name}: fetching {url}", flush=True)
        _fetch(url, part_path)
        if _md5(part_path) != archive.md5:
            part_path.unlink()
            raise UsageError(f"{url}: its checksum is not {archive.md5}; removed what was fetched, run again")
        part_path.replace(tar_path)
    elif _md5(tar_path) != archive.md5:
        raise UsageError(f"{tar_path}: its checksum is not {archive.md5}; remove the file and run again")
    print(f"{archive.name}: unpacking", flush=True)
    _unpack(tar_path, out)
    _done_path(out, archive).touch()
    tar_path.unlink()


def _fetch(url: str, part_path: Path) -> None:
    """Completes `part_path` from `url`, asking only for the bytes that it lacks."""
    have = part_path.stat().st_size if part_path.exists() else 0
    response = _open(url, have)
    if response is None:  # nothing after the bytes that are there: complete, as far as the size can tell
        return
    with response:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:  # the server sends the whole file
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        with (
            part_path.open("ab" if have else "wb") as part,
            # disable=None: no bar where stderr is not a terminal
            tqdm(desc=part_path.stem, total=total, initial=have, unit="B", unit_scale=True, disable=None) as bar,
        ):
            while chunk := _read(url, response):
                part.write(chunk)
                bar.update(len(chunk))
    size = part_path.stat().st_size
    if total is not None and size < total:
        raise UsageError(f"{url}: the server closed after {size} of {total} bytes; run again to go on from there")


def _open(url: str, start: int) -> http.client.HTTPResponse | None:
    """Response with the bytes of `url` from `start` on; None when the server says that there are none."""
    try:
        request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
        return urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            return None
        raise UsageError(f"{url}: the server answers {error.code} {error.reason}; check --base-url") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise UsageError(f"{url}: cannot reach the server ({reason}); check the network and --base-url") from error


def _read(url: str, response: http.client.HTTPResponse) -> bytes:
    """Next bytes of a response; empty at its end."""
    try:
        return response.read(_CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise UsageError(f"{url}: the connection broke ({error}); run again to go on from there") from error


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _unpack(tar_path: Path, out: Path) -> None:
    """Unpacks an archive; refuses members that would land outside `out` or are no plain files and folders."""
    with (
        tarfile.open(tar_path) as tar,
        tqdm(desc=tar_path.stem, total=tar_path.stat().st_size, unit="B", unit_scale=True, disable=None) as bar,
    ):
        for member in tar:
            try:
                tar.extract(member, out, filter="data")
            except tarfile.FilterError as error:
                raise UsageError(f"{tar_path}: refused to unpack ({error}); get the archive elsewhere") from error
            bar.update(member.size)
