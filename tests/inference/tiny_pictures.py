"""Small pictures and videos."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image


def pixels(height: int = 40, width: int = 60, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def add_picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(seed=seed)).save(path)


def add_video(path: Path, frames: int = 5, codec: str = "mp4v", rate: float = 10) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate, (96, 64))
    assert writer.isOpened()
    for number in range(frames):
        writer.write(np.full((64, 96, 3), 10 * number, np.uint8) + pixels(64, 96) // 12)
    writer.release()
