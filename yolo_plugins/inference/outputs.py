"""Results as files: drawn pictures and videos, `detections.json`, YOLO's texts, COCO's list of results."""

import os
from collections.abc import Container
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import cv2
import numpy as np

from yolo_plugins.errors import UsageError
from yolo_plugins.files import json_text, write_atomically
from yolo_plugins.inference.detector import Results
from yolo_plugins.inference.result import Result

_CODECS = {".mp4": "mp4v", ".avi": "MJPG"}  # which OpenCV's own FFmpeg writes everywhere
_OTHER_VIDEO = ".mp4"
_USUAL_RATE = 25.0  # frames a second, of a video with a single frame


class Outcome(NamedTuple):
    """What was written: how many pictures, and frames of videos; names of videos that OpenCV cannot write."""

    drawn: int
    unwritten: list[str]


def write_results(results: Results, out: Path, texts: bool = False, coco: bool = False) -> Outcome:
    """Writes each picture with its detections to a folder, and all detections to `detections.json` there.

    A drawn picture keeps its name, and its sub-folder, with `.png` after it where OpenCV cannot write such a file, a
    video `.mp4`; this is the name in `detections.json`. A run that is broken off leaves what is done.

    Args:
        results: Of a detector.
        out: Folder for the results; made where it is missing.
        texts: Whether YOLO's text files are written, to `labels/`: a line `class cx cy w h score` a box, in shares of
            the picture's width and height. Those of a frame have its number: `clip_12.txt`.
        coco: Whether COCO's list of results is written, as `coco.json`. There `image_id` is the number that the file's
            name is, or the name itself, and `category_id` counts the detector's classes from 1 on.

    Raises:
        UsageError: `out` is the folder of the pictures, or as `Results`.
    """
    source = results.source
    out.mkdir(parents=True, exist_ok=True)
    if source.root is not None and out.samefile(source.root):
        raise UsageError(f"--out {out} is the folder of the pictures; give another one, so that none is overwritten")
    written = _Written(out, set(source.names))
    text_names: set[str] = set()
    found: dict[str, list[dict]] = {}
    rows: list[dict] = []
    drawn = 0
    try:
        for result in results:
            name = written.add(result)
            frame = {} if result.frame is None else {"frame": result.frame, "seconds": result.seconds}
            found.setdefault(name, []).extend(box | frame for box in result.to_dict()["boxes"])
            if texts:
                _write_text(out / "labels", result, text_names)
            if coco:
                rows += _coco_rows(result, name)
            drawn += 1
    finally:
        written.close()
        write_atomically(out / "detections.json", json_text(found, indent=1).encode())
        if coco:
            write_atomically(out / "coco.json", json_text(rows).encode())
    return Outcome(drawn, written.unwritten)


class _Written:
    """The drawn pictures and videos in a folder; one video at a time is open."""

    def __init__(self, folder: Path, names: Container[str]) -> None:
        self.unwritten: list[str] = []
        self._folder, self._names = folder, names
        self._video: _VideoFile | None = None
        self._source = ""  # name of the open video, as the source has it

    def add(self, result: Result) -> str:
        """Draws a result; returns the name under which it is written."""
        if result.frame is None:
            self.close()
            return self._write_picture(result)
        if self._video is None or self._source != result.name or result.frame == 0:
            self.close()
            suffix = PurePosixPath(result.name).suffix
            name = result.name if suffix in _CODECS else self._free(result.name, _OTHER_VIDEO)
            self._video, self._source = _VideoFile(self._folder, name), result.name
        self._video.add(result)
        return self._video.name

    def close(self) -> None:
        """Ends the open video, if there is one."""
        if self._video is not None and not self._video.close():
            self.unwritten.append(self._video.name)
        self._video = None

    def _write_picture(self, result: Result) -> str:
        name = result.name
        encoded = result.encoded(PurePosixPath(name).suffix)
        if encoded is None:
            encoded, name = result.encoded(".png"), self._free(name, ".png")
        write_atomically(self._folder / name, encoded or b"")
        return name

    def _free(self, name: str, suffix: str) -> str:
        """A name with one more suffix that no picture of the source has."""
        name += suffix
        while name in self._names:
            name += suffix
        return name


class _VideoFile:
    """A video in the making, under a temporary name."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self._path = folder / name
        self._temporary = self._path.with_name(f".{self._path.stem}.{os.getpid()}.tmp{self._path.suffix}")
        self._writer: cv2.VideoWriter | None = None
        self._first: tuple[np.ndarray, float] | None = None  # which waits for the second, whose time tells the rate

    def add(self, result: Result) -> None:
        drawn, seconds = np.asarray(result.draw())[..., ::-1], result.seconds or 0.0
        if self._writer is not None:
            self._writer.write(drawn)
        elif self._first is None:
            self._first = drawn, seconds
        else:
            self._begin(seconds - self._first[1]).write(drawn)

    def close(self) -> bool:
        """Puts the video in its place; tells whether OpenCV could write it."""
        writer = self._writer or self._begin(0)
        done = writer.isOpened()
        writer.release()
        if done:
            self._temporary.replace(self._path)
        else:
            self._temporary.unlink(missing_ok=True)
        return done

    def _begin(self, interval: float) -> cv2.VideoWriter:
        assert self._first is not None
        first = self._first[0]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        rate = 1 / interval if interval > 0 else _USUAL_RATE
        codec = cv2.VideoWriter.fourcc(*_CODECS[self._path.suffix])
        self._writer = cv2.VideoWriter(str(self._temporary), codec, rate, (first.shape[1], first.shape[0]))
        self._writer.write(first)
        return self._writer


def _write_text(folder: Path, result: Result, taken: set[str]) -> None:
    """One of YOLO's text files; of pictures that differ in their suffix alone, all but the first keep it."""
    path = PurePosixPath(result.name)
    frame = "" if result.frame is None else f"_{result.frame}"
    name = f"{path.with_suffix('')}{frame}.txt"
    if name in taken:
        name = f"{path}{frame}.txt"
    taken.add(name)
    scale = np.array(result.size_wh * 2, np.float64)
    lines = []
    for label, bbox, score in zip(result.boxes.labels, result.boxes.xyxy / scale, result.boxes.scores, strict=True):
        x1, y1, x2, y2 = bbox
        numbers = ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, score)
        lines.append(f"{label} {' '.join(f'{number:.6f}' for number in numbers)}\n")
    write_atomically(folder / name, "".join(lines).encode())


def _coco_rows(result: Result, name: str) -> list[dict[str, Any]]:
    stem = PurePosixPath(name).stem
    image = int(stem) if stem.isascii() and stem.isdecimal() else name
    frame = {} if result.frame is None else {"frame": result.frame}
    corners = result.boxes.xyxy.tolist()
    return [
        {"image_id": image, **frame, "category_id": label + 1, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": score}
        for (x1, y1, x2, y2), label, score in zip(
            corners, result.boxes.labels.tolist(), result.boxes.scores.tolist(), strict=True
        )
    ]
