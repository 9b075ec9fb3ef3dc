"""Frames of a video file or a camera, by OpenCV."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from yolo_plugins.errors import UsageError

# Of files that are looked for in a folder.
VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".wmv", ".flv", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".3gp", ".ogv"),
)
_HEAD_BYTES = 4096  # in which every container of frames has a zero byte, and no list of addresses has one
_LOG = getattr(cv2.utils, "logging", cv2)  # where OpenCV 5 has its log level, and where 4 has it
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # quiet: what goes wrong is told once, by name


class Video:
    """Frames of a file, or of a camera by its number, for one pass; nothing is opened before they are asked for."""

    def __init__(self, source: Path | int) -> None:
        self._source = source

    @property
    def length(self) -> int | None:
        """Number of frames by the file's header; None for a camera, and where there is none."""
        with _opened(self._source) as capture:
            return _length(capture)

    def opens(self) -> bool:
        """Whether OpenCV takes it for a video."""
        with _opened(self._source) as capture:
            return capture.isOpened()

    def __iter__(self) -> Iterator[tuple[np.ndarray, float]]:
        """Yields each frame, (H, W, 3) uint8 BGR, and its time in seconds.

        Raises:
            UsageError: It cannot be opened; or, once the sound frames have been given, some are missing.
        """
        is_camera, start = isinstance(self._source, int), time.monotonic()
        with _opened(self._source) as capture:
            if not capture.isOpened():
                remedy = "connect it, or give the number of another one" if is_camera else "give another file"
                raise UsageError(f"cannot be opened as a {'camera' if is_camera else 'video'}; {remedy}")
            length = _length(capture)
            sound = broken = 0
            while sound + broken < (length or 1) or not broken:
                done, image = capture.read()
                if done:
                    yield image, time.monotonic() - start if is_camera else capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                    sound += 1
                else:
                    broken += 1
        if is_camera:
            raise UsageError(f"gave no more pictures after {sound}; connect it again")
        if sound < (length or 1):
            raise UsageError(f"{(length or 1) - sound} of {length or 1} frames cannot be read; restore the file")


@contextmanager
def _opened(source: Path | int) -> Iterator[cv2.VideoCapture]:
    """Yields a capture, which is not open where there is no such video."""
    level = _LOG.getLogLevel()
    _LOG.setLogLevel(0)
    capture = cv2.VideoCapture()
    try:
        if isinstance(source, int):
            capture.open(source)
        elif _is_no_text(source):
            capture.open(os.path.abspath(source), cv2.CAP_FFMPEG)  # as no address, and no pattern of names
        yield capture
    finally:
        capture.release()
        _LOG.setLogLevel(level)


def _length(capture: cv2.VideoCapture) -> int | None:
    frames = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return int(frames) if 0 < frames < 2**31 else None


def _is_no_text(path: Path) -> bool:
    """Whether a file is no list of addresses or files, which FFmpeg would fetch."""
    try:
        with path.open("rb") as file:
            return b"\0" in file.read(_HEAD_BYTES)
    except OSError:
        return False
