"""Decoded, pre-scaled pictures in one memory-mapped file, shared by all workers and ranks.

The file is keyed by content: the bytes of the picture files, the size, the format. A changed picture makes another
file; moved, renamed or reordered ones find theirs again.
"""

import hashlib
import os
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
from filelock import FileLock
from tqdm import tqdm

from yolo_plugins.config import size_hw
from yolo_plugins.errors import UsageError
from yolo_plugins.files import cache_folder, is_disk_full

from .images import read_image, scale_to_fit
from .threads import thread_pool

_FORMAT_VERSION = 2  # raise it when the file's layout, the decoding or the scaling changes
_SIZES_DTYPE = np.dtype("<i4")
_SIZES_PER_IMAGE = 4  # height and width of the scaled picture, then of the original
_CHUNK = 64  # pictures that are decoded and not yet written: bounds the memory


class ImageCache:
    """Pictures scaled to fit in `img_size`, as read-only views into a file; built when it does not exist.

    File: (n, 4) little-endian int32 sizes, then the n pictures, uint8 BGR, row by row, in the order of their SHA-256.
    Processes that want the same cache at the same time wait for the one that builds it. It may be pickled: the copy
    opens the file anew.

    Args:
        paths: The picture files.
        img_size: (height, width) in pixels, or the side of a square.
        cache_dir: Folder of the cache; None means the environment's YOLO_PLUGINS_CACHE, else `~/.cache/yolo_plugins`.

    Raises:
        UsageError: A picture is missing or corrupt, the folder cannot be written, the disk is full.
    """

    def __init__(
        self, paths: Sequence[str | Path], img_size: int | Sequence[int], cache_dir: str | Path | None = None
    ) -> None:
        height, width = bounds_hw = size_hw(img_size)
        size = f"{height}" if height == width else f"{height}x{width}"
        digests = list(thread_pool().map(_file_digest, paths))
        sources = dict(zip(digests, paths, strict=True))
        stored = sorted(sources)
        key = hashlib.sha256(f"{_FORMAT_VERSION} {size} {' '.join(stored)}".encode()).hexdigest()
        folder = Path(cache_dir or cache_folder())
        self.path = folder.absolute() / f"images-{size}-{key[:20]}.bgr"
        sizes = _stored_sizes(self.path, len(stored))
        if sizes is None:
            sizes = _build_once(self.path, [sources[digest] for digest in stored], bounds_hw)
        heights, widths = sizes[:, 0], sizes[:, 1]
        starts = list(accumulate((heights * widths * 3).tolist(), initial=sizes.size * _SIZES_DTYPE.itemsize))
        slot_of = {digest: slot for slot, digest in enumerate(stored)}
        slots = [slot_of[digest] for digest in digests]
        # Plain lists: read at every sample, where numpy scalars would cost ten times as much.
        self._spans = [(starts[slot], starts[slot + 1]) for slot in slots]
        self._shapes = [(int(heights[slot]), int(widths[slot]), 3) for slot in slots]
        self._original_hw = [(int(sizes[slot, 2]), int(sizes[slot, 3])) for slot in slots]
        self._pixels = self._open()

    def __len__(self) -> int:
        return len(self._spans)

    def __getitem__(self, index: int) -> np.ndarray:
        """Picture `index` of the paths given: (h, w, 3) uint8 BGR, read-only, no copy."""
        start, stop = self._spans[index]
        return self._pixels[start:stop].reshape(self._shapes[index])

    def original_hw(self, index: int) -> tuple[int, int]:
        """Height and width of picture `index` before scaling, upright as its EXIF orientation says."""
        return self._original_hw[index]

    def __getstate__(self) -> dict:
        return {name: value for name, value in self.__dict__.items() if name != "_pixels"}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._pixels = self._open()

    def _open(self) -> np.ndarray:
        try:
            # A plain array over the map: slicing np.memmap itself is several times slower.
            return np.memmap(self.path, dtype=np.uint8, mode="r").view(np.ndarray)
        except OSError as error:
            raise UsageError(f"{self.path}: cannot open the image cache ({error.strerror}); start again") from error


def _file_digest(path: str | Path) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such image; restore the file or take it off its split") from error
    except OSError as error:
        raise UsageError(
            f"{path}: cannot read the image ({error.strerror}); restore the file or take it off its split"
        ) from error


def _stored_sizes(path: Path, num_images: int) -> np.ndarray | None:
    """The (n, 4) int64 sizes in a cache file; None when the file is missing or not as long as they say."""
    count = num_images * _SIZES_PER_IMAGE
    try:
        sizes = np.fromfile(path, dtype=_SIZES_DTYPE, count=count).astype(np.int64)
        file_bytes = path.stat().st_size
    except OSError:
        return None
    if sizes.size != count:
        return None
    sizes = sizes.reshape(-1, _SIZES_PER_IMAGE)
    complete = count * _SIZES_DTYPE.itemsize + 3 * int((sizes[:, 0] * sizes[:, 1]).sum())
    return sizes if file_bytes == complete else None


def _build_once(path: Path, sources: Sequence[str | Path], bounds_hw: tuple[int, int]) -> np.ndarray:
    """Builds the cache file unless another process does so meanwhile; returns its sizes."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            sizes = _stored_sizes(path, len(sources))
            return _build(path, sources, bounds_hw) if sizes is None else sizes
    except OSError as error:
        raise UsageError(
            f"{path.parent}: cannot write the image cache ({error.strerror}); "
            "set cache_dir or the environment variable YOLO_PLUGINS_CACHE to a folder that you may write"
        ) from error


def _build(path: Path, sources: Sequence[str | Path], bounds_hw: tuple[int, int]) -> np.ndarray:
    """Writes the cache file under a temporary name, then renames it; whatever happens leaves no half of it."""
    temporary = path.with_suffix(".tmp")  # fixed: under the lock, a leftover of a killed process is overwritten
    sizes = np.zeros((len(sources), _SIZES_PER_IMAGE), dtype=_SIZES_DTYPE)
    progress = tqdm(total=len(sources), desc=f"caching images in {path.parent}", unit="image", disable=None)
    try:
        with temporary.open("wb") as file, progress:
            file.write(sizes.tobytes())  # room for the real ones
            for start in range(0, len(sources), _CHUNK):
                chunk = sources[start : start + _CHUNK]
                decoded = thread_pool().map(lambda source: _decode(source, bounds_hw), chunk)
                for row, (img, original_hw) in enumerate(decoded, start):
                    sizes[row] = (*img.shape[:2], *original_hw)
                    file.write(img.data)
                progress.update(len(chunk))
            file.seek(0)
            file.write(sizes.tobytes())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if is_disk_full(error):
            raise _disk_is_full(path, sizes) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)
    return sizes.astype(np.int64)


def _decode(source: str | Path, bounds_hw: tuple[int, int]) -> tuple[np.ndarray, tuple[int, int]]:
    """The scaled picture and its original height and width."""
    img = read_image(source)
    return np.ascontiguousarray(scale_to_fit(img, bounds_hw)), (img.shape[0], img.shape[1])


def _disk_is_full(path: Path, sizes: np.ndarray) -> UsageError:
    """The error of a full disk; the size needed is extrapolated from the pictures decoded so far."""
    done = sizes[sizes[:, 0] > 0].astype(np.int64)
    gigabytes = 3 * float((done[:, 0] * done[:, 1]).mean()) * len(sizes) / 1e9
    return UsageError(
        f"{path.parent}: disk full while writing the image cache, which takes about {gigabytes:.2f} GB; "
        "free the space or set cache_dir or the environment variable YOLO_PLUGINS_CACHE to another disk"
    )
