"""Picture files in, arrays out: strict decoding, and the resize that precedes YOLOv5's letterbox."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin

from yolo_plugins.errors import UsageError

# Of pictures that are looked for by their stem or in a folder; a file that is named is read whatever its suffix.
IMAGE_SUFFIXES: tuple[str, ...] = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".jp2"),
    ".avif",
)

_EIGHT_BIT_MODES = {
    *("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "LAB", "HSV"),
}
# Formats in which Pillow's modes for more than 8 bits of grey surely span 0..65535; elsewhere they may be signed.
_SIXTEEN_BIT_FORMATS = {
    **dict.fromkeys(("I;16", "I;16B", "I;16L"), ("PNG", "TIFF", "JPEG2000")),
    "I": ("PNG", "PPM"),  # of PNG in older releases of Pillow; of PPM scaled by its stated maximum
}
_SIXTEEN_TO_EIGHT = 257  # 65535 / 255
_BITS_TAG, _PHOTOMETRIC_TAG, _WHITE_IS_ZERO = 258, 262, 0  # TIFF 6.0, section 8
_ORIENTATION_TAG = 0x0112  # EXIF 2.3, table 4
_TRANSPOSED_ORIENTATIONS = (5, 6, 7, 8)  # those that swap width and height
# What Pillow raises on broken files: broken chunks, short reads, bad headers, absurd sizes.
_DECODER_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)


def read_image(path: str | Path) -> np.ndarray:
    """Decodes a picture file, upright as its EXIF orientation says.

    16 bits of grey become 8. Transparency is left out: the colours are those stored below it, as OpenCV and
    MMDetection read them.

    Returns:
        (H, W, 3) uint8, BGR, contiguous.

    Raises:
        UsageError: The file is missing, is no picture, is truncated, or its values have no known range (32-bit
            integers, floats). Names it.
    """
    with _opened(path) as image:
        return _pixels(image)


def image_array(image: Image.Image, name: str) -> np.ndarray:
    """What `read_image` returns of a Pillow picture, which may not be decoded yet; `name` stands in messages.

    Raises:
        UsageError: As `read_image`.
    """
    with _faults_named(name):
        _check_mode(name, image)
        return _pixels(image)


def check_image(path: str | Path) -> tuple[int, int]:
    """Decodes a picture file to its last byte at the least cost and throws the pixels away.

    Returns:
        Width and height in pixels of what `read_image` returns.

    Raises:
        UsageError: As `read_image`.
    """
    with _opened(path) as image:
        size = _upright_size(image)
        image.draft("L", (1, 1))  # JPEG: luminance at an eighth; the bit stream is read whole all the same
        image.load()
    return size


def image_size(path: str | Path) -> tuple[int, int]:
    """Width and height in pixels of what `read_image` returns, from the file's header.

    Raises:
        UsageError: As `read_image`, but for what is wrong after the header.
    """
    with _opened(path) as image:
        return _upright_size(image)


def _upright_size(image: Image.Image) -> tuple[int, int]:
    width, height = image.size
    transposed = image.getexif().get(_ORIENTATION_TAG) in _TRANSPOSED_ORIENTATIONS
    return (height, width) if transposed else (width, height)


def scale_to_fit(img: np.ndarray, bounds_hw: tuple[int, int]) -> np.ndarray:
    """Resizes a picture to the largest that fits within a height and a width; the aspect ratio stays.

    In a square it is the long side that fills it. The other side is truncated as in YOLOv5 v7.0, area interpolation
    when shrinking and bilinear when growing. One difference: there, rounding errors of the factor can leave the long
    side a pixel short; here it is exact.

    Args:
        img: (H, W) or (H, W, C) array.
        bounds_hw: Height and width in pixels.

    Returns:
        The resized picture, no side below one pixel; `img` itself when it has that size already.
    """
    height, width = scaled_hw(img.shape[:2], bounds_hw)
    if (height, width) == img.shape[:2]:
        return img
    shrinks = height < img.shape[0] or width < img.shape[1]
    return cv2.resize(img, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def scaled_hw(shape_hw: tuple[int, int], bounds_hw: tuple[int, int]) -> tuple[int, int]:
    """Height and width that `scale_to_fit` gives to a picture of height and width `shape_hw`."""
    ratios = [bound / side for bound, side in zip(bounds_hw, shape_hw, strict=True)]
    ratio = min(ratios)
    height, width = (
        bound if own == ratio else max(int(side * ratio), 1)
        for bound, side, own in zip(bounds_hw, shape_hw, ratios, strict=True)
    )
    return height, width


def _pixels(image: Image.Image) -> np.ndarray:
    """(H, W, 3) uint8 BGR of a picture, upright."""
    upright = ImageOps.exif_transpose(image)
    if image.mode in _SIXTEEN_BIT_FORMATS:
        return cv2.cvtColor(_eight_bits(image, upright), cv2.COLOR_GRAY2BGR)
    upright.info.pop("transparency", None)  # of which Pillow would warn
    return cv2.cvtColor(np.asarray(upright.convert("RGB")), cv2.COLOR_RGB2BGR)


def _eight_bits(image: Image.Image, upright: Image.Image) -> np.ndarray:
    """(H, W) uint8 of a picture with 16 bits of grey."""
    grey = np.asarray(upright).astype(np.uint32)
    if _tiff_tag(image, _PHOTOMETRIC_TAG, None) == _WHITE_IS_ZERO:  # which Pillow heeds with 8 bits only
        grey = 65535 - grey
    return ((grey + _SIXTEEN_TO_EIGHT // 2) // _SIXTEEN_TO_EIGHT).astype(np.uint8)


def _check_mode(path: str | Path, image: Image.Image) -> None:
    """Refuses a picture whose values have no range that is known for certain."""
    if image.mode in _EIGHT_BIT_MODES:
        return
    bits = _tiff_tag(image, _BITS_TAG, (16,))[0]
    if image.format not in _SIXTEEN_BIT_FORMATS.get(image.mode, ()) or bits != 16:
        raise UsageError(
            f"{path}: its values have no certain range ({image.format}, mode {image.mode}"
            f"{'' if bits == 16 else f' of {bits} bits'}); save it with 8 bits a channel, or as 16-bit grey PNG"
        )


def _tiff_tag(image: Image.Image, tag: int, default: Any) -> Any:
    """What a TIFF states under a tag; the default for other formats, too."""
    return image.tag_v2.get(tag, default) if isinstance(image, TiffImagePlugin.TiffImageFile) else default


@contextmanager
def _opened(path: str | Path) -> Iterator[Image.Image]:
    """Opens a picture file; what its decoder raises inside the block becomes a `UsageError`."""
    with _faults_named(path), Image.open(path) as image:
        if image.format == "EPS":
            raise ValueError("EPS is a program, which Ghostscript would run")
        _check_mode(path, image)
        yield image


@contextmanager
def _faults_named(name: str | Path) -> Iterator[None]:
    try:
        yield
    except UsageError:
        raise
    except FileNotFoundError as error:
        raise UsageError(f"{name}: no such image; restore the file or take it off its split") from error
    except _DECODER_ERRORS as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"{name}: cannot decode the image ({reason}); replace the file") from error
