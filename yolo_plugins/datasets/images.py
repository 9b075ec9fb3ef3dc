"""Picture files in, arrays out: strict decoding, and the resize of the long side that precedes YOLOv5's letterbox."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from yolo_plugins.errors import UsageError

_ORIENTATION_TAG = 0x0112  # EXIF 2.3, table 4
_TRANSPOSED_ORIENTATIONS = (5, 6, 7, 8)  # those that swap width and height
# What Pillow raises on broken files: broken chunks, short reads, bad headers, absurd sizes.
_DECODER_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)


def read_image(path: str | Path) -> np.ndarray:
    """Decodes a picture file, upright as its EXIF orientation says.

    Returns:
        (H, W, 3) uint8, BGR, contiguous.

    Raises:
        UsageError: The file is missing, is no picture, or is truncated. Names it.
    """
    with _opened(path) as image:
        rgb = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)


def check_image(path: str | Path) -> tuple[int, int]:
    """Decodes a picture file to its last byte at the least cost and throws the pixels away.

    Returns:
        Width and height in pixels of what `read_image` returns.

    Raises:
        UsageError: As `read_image`.
    """
    with _opened(path) as image:
        width, height = image.size
        transposed = image.getexif().get(_ORIENTATION_TAG) in _TRANSPOSED_ORIENTATIONS
        image.draft("L", (1, 1))  # JPEG: luminance at an eighth; the bit stream is read whole all the same
        image.load()
    return (height, width) if transposed else (width, height)


def scale_long_side(img: np.ndarray, size: int) -> np.ndarray:
    """Resizes a picture so that its long side is `size` pixels; the aspect ratio stays.

    The short side is truncated as in YOLOv5 v7.0, area interpolation when shrinking and bilinear when growing.
    One difference: there, rounding errors of the factor can leave the long side a pixel short; here it is exact.

    Args:
        img: (H, W) or (H, W, C) array.
        size: Length of the long side in pixels.

    Returns:
        The resized picture, no side below one pixel; `img` itself when its long side is `size` already.
    """
    height, width = scaled_hw(img.shape[:2], size)
    if (height, width) == img.shape[:2]:
        return img
    shrinks = size < max(img.shape[:2])
    return cv2.resize(img, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def scaled_hw(shape_hw: tuple[int, int], size: int) -> tuple[int, int]:
    """Height and width that `scale_long_side` gives to a picture of height and width `shape_hw`."""
    long_side = max(shape_hw)
    ratio = size / long_side
    height, width = (size if side == long_side else max(int(side * ratio), 1) for side in shape_hw)
    return height, width


@contextmanager
def _opened(path: str | Path) -> Iterator[Image.Image]:
    """Opens a picture file; what its decoder raises inside the block becomes a `UsageError`."""
    try:
        with Image.open(path) as image:
            if image.format == "EPS":
                raise ValueError("EPS is a program, which Ghostscript would run")
            yield image
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such image; restore the file or take it off its split") from error
    except _DECODER_ERRORS as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"{path}: cannot decode the image ({reason}); replace the file") from error
