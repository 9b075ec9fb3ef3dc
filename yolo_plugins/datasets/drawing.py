"""Boxes with names on pictures, for data sets and for detections.

With Pillow, not `torchvision.utils.draw_bounding_boxes`: that draws names over the edge of the picture, in one size for
every picture, and knows no dashes.
"""

from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageColor, ImageDraw, ImageFont

_GOLDEN_ANGLE = 137.508  # degrees: hues of consecutive classes are far apart, and none comes twice
_TEXT_SHARE, _LEAST_TEXT = 1 / 32, 11  # height of names: share of the picture's long side, pixels


def class_colour(label: int) -> tuple[int, int, int]:
    """The RGB colour of a class, 0..255, on every picture and in every figure; black is readable on it."""
    red, green, blue = ImageColor.getrgb(f"hsl({label * _GOLDEN_ANGLE % 360:.1f}, 90%, 70%)")[:3]
    return red, green, blue


def draw_boxes(
    image: Image.Image,
    bboxes: Sequence[Sequence[float]],
    labels: Sequence[int],
    names: Sequence[str],
    dashed: Sequence[bool] | None = None,
) -> None:
    """Draws boxes, each in the colour of its class, and then their names, which stay within the picture.

    Args:
        image: RGB; drawn upon.
        bboxes: (n, 4) xyxy in pixels.
        labels: (n,) index of the class of each.
        names: (n,) what to write at each.
        dashed: (n,) which boxes have dashed sides; none by default.
    """
    draw = ImageDraw.Draw(image)
    text_height = max(_LEAST_TEXT, round(max(image.size) * _TEXT_SHARE))
    font = ImageFont.load_default(text_height)
    width = max(2, round(text_height / 7))
    last = [side - 1 for side in image.size] * 2  # where a side at the picture's edge is still seen
    corners = [[min(round(value), most) for value, most in zip(bbox, last, strict=True)] for bbox in bboxes]
    for box, label, is_dashed in zip(corners, labels, dashed or [False] * len(corners), strict=True):
        if is_dashed:
            _draw_dashed(draw, box, class_colour(label), width)
        else:
            draw.rectangle(box, outline=class_colour(label), width=width)
    for box, label, name in zip(corners, labels, names, strict=True):
        _draw_name(draw, box[:2], name, font, class_colour(label))


def _draw_dashed(draw: ImageDraw.ImageDraw, box: Sequence[int], colour: tuple[int, int, int], width: int) -> None:
    left, top, right, bottom = box
    dash = 3 * width
    for x in range(left, right, 2 * dash):
        for y in (top, bottom):
            draw.line((x, y, min(x + dash, right), y), colour, width)
    for y in range(top, bottom, 2 * dash):
        for x in (left, right):
            draw.line((x, y, x, min(y + dash, bottom)), colour, width)


def _draw_name(
    draw: ImageDraw.ImageDraw, corner: Sequence[int], name: str, font: Any, colour: tuple[int, int, int]
) -> None:
    """Writes a name above a box's upper left corner, or as near to it as the picture's edges allow."""
    _, _, right, bottom = draw.textbbox((1, 1), name, font)  # of the text and a pixel around it
    x = max(0, min(corner[0], draw.im.size[0] - 1 - right))
    y = max(0, corner[1] - bottom)
    draw.rectangle((x, y, x + right, y + bottom), colour)
    draw.text((x + 1, y + 1), name, "black", font)
