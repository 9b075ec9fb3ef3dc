"""Frames of videos and cameras; damage, and what is none, is told in one line without a word of the libraries."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
from tiny_pictures import add_video

from yolo_plugins.errors import UsageError
from yolo_plugins.inference import videos
from yolo_plugins.inference.videos import Video


def frames(video: Video) -> tuple[int, str]:
    """How many come, and the fault that ends them."""
    count = 0
    try:
        for _ in video:
            count += 1
    except UsageError as error:
        return count, str(error)
    return count, ""


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "mp4v"), ("a.avi", "MJPG"), ("a.mkv", "MJPG")])
def test_every_frame_comes(tmp_path, name, codec):
    add_video(tmp_path / name, 7, codec)
    video = Video(tmp_path / name)
    assert (video.length, video.opens(), frames(video)) == (7, True, (7, ""))


def test_a_broken_frame_is_told_and_the_others_come(tmp_path, capfd):
    add_video(tmp_path / "a.avi", 9, "MJPG")
    content = bytearray((tmp_path / "a.avi").read_bytes())
    start = content.index(b"\xff\xd8\xff", len(content) // 2)
    content[start : start + 200] = bytes(200)
    (tmp_path / "a.avi").write_bytes(content)
    assert frames(Video(tmp_path / "a.avi")) == (8, "1 of 9 frames cannot be read; restore the file")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"#EXTM3U\nfile:///etc/passwd\n", b"ffconcat version 1.0\nfile a.mp4\n"]
)
def test_what_is_no_video_is_not_opened(tmp_path, content, capfd):
    """Nor a list of addresses, which FFmpeg would fetch."""
    add_video(tmp_path / "a.mp4", 3)
    (tmp_path / "list.mp4").write_bytes(content)
    video = Video(tmp_path / "list.mp4")
    assert (video.length, video.opens()) == (None, False)
    assert frames(video) == (0, "cannot be opened as a video; give another file")
    assert frames(Video(tmp_path / "nowhere.mp4")) == (0, "cannot be opened as a video; give another file")
    assert capfd.readouterr() == ("", "")


def test_a_camera_that_is_not_there_is_told(tmp_path):
    """In a process of its own: FFmpeg and OpenCV read what they may say when they are first used."""
    program = "from yolo_plugins.inference.sources import open_source\nprint(*open_source(63))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    sentence = "camera 63: cannot be opened as a camera; connect it, or give the number of another one\n"
    assert (result.stdout, result.stderr) == (sentence, "")


class _Camera:
    """Gives three pictures, then none."""

    left = 3

    def open(self, number):
        self.number = number

    def isOpened(self):  # noqa: N802
        return True

    def get(self, key):
        return 0.0 if key == cv2.CAP_PROP_POS_MSEC else -1.0

    def read(self):
        self.left -= 1
        return (True, np.zeros((4, 6, 3), np.uint8)) if self.left >= 0 else (False, None)

    def release(self):
        pass


def test_a_camera_gives_pictures_until_it_ends(monkeypatch):
    monkeypatch.setattr(videos.cv2, "VideoCapture", _Camera)
    video = Video(0)
    assert video.length is None
    assert frames(video) == (3, "gave no more pictures after 3; connect it again")
    times = [seconds for _, (_, seconds) in zip(range(3), Video(0), strict=False)]
    assert 0 <= times[0] <= times[1] <= times[2] < 60
