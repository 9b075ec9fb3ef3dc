"""YOLOv5's mosaic and random affine in one step: each source picture is warped once, straight into the output.

Geometry: YOLOv5 v6/v7 (four pictures around a random centre of a canvas of twice the output's sides, then an affine
about the canvas centre that cuts off a border of half a side). The canvas is never made: a picture fills those output
pixels whose nearest canvas pixel is its own. Hence the one difference: at a seam, two pictures do not blend.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from yolo_plugins.config import size_hw
from yolo_plugins.registry import TRANSFORMS

# YOLOv5 v7.0's rule for boxes after the warp.
_MIN_SIDE = 2.0  # output pixels
_MAX_ASPECT = 100.0
_MIN_AREA_RATIO = 0.10  # of the area that the box has before the output cuts it
_WARP_FLAGS = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
_DRAWS = 13  # random numbers per sample, always all of them, so that no draw moves when an option changes


class _Placed(NamedTuple):
    """A picture on the canvas: its upper left corner, in canvas pixels, and its boxes, in its own pixels."""

    img: np.ndarray
    left: int
    top: int
    bboxes: np.ndarray
    labels: np.ndarray


class _Affine(NamedTuple):
    """Canvas to output: out = linear @ canvas + shift; `scale` is the zoom in `linear`."""

    linear: tuple[float, float, float, float]
    shift: tuple[float, float]
    scale: float

    @property
    def keeps_axes(self) -> bool:
        return self.linear[1] == 0.0 == self.linear[2]


@TRANSFORMS.register_module()
class MosaicAffine(BaseTransform):
    """Mosaic of four pictures (or one letterboxed picture), then a random zoom, shift, rotation and shear.

    Args:
        prob: Probability of the mosaic. Without it the picture is letterboxed before the affine.
        translate: Largest shift to either side, fraction of the output's side.
        scale: Zoom is uniform in [1 - scale, 1 + scale].
        degrees: Largest rotation to either side.
        shear: Largest shear to either side, degrees.
        pad_value: Grey level where no picture lies.
    """

    def __init__(
        self,
        prob: float = 1.0,
        translate: float = 0.1,
        scale: float = 0.5,
        degrees: float = 0.0,
        shear: float = 0.0,
        pad_value: int = 114,
    ) -> None:
        self.prob = prob
        self.translate = translate
        self.scale = scale
        self.degrees = degrees
        self.shear = shear
        self.pad_value = pad_value

    def transform(self, results: dict) -> dict:
        """Reads `dataset`, `index`, `img_size`, `rng`; writes what `sample` returns and `mosaic`, this object.

        The keys are `img`, `gt_bboxes`, `gt_bboxes_labels`, and `img_shape`; `mosaic` is for a `MixUp` after it.
        """
        results["img"], results["gt_bboxes"], results["gt_bboxes_labels"] = self.sample(
            results["dataset"], results["index"], results["img_size"], results["rng"]
        )
        results["img_shape"] = results["img"].shape[:2]
        results["mosaic"] = self
        return results

    def sample(
        self, dataset: Any, index: int, img_size: int | Sequence[int], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One augmented sample around picture `index`.

        Args:
            dataset: Has a length and `load(i) -> (img, bboxes, labels)`, pictures scaled to fit in `img_size`.
            index: The picture that is in the sample for certain.
            img_size: (height, width) of the output in pixels, or the side of a square.
            rng: Gives all random numbers.

        Returns:
            (H, W, 3) uint8 BGR, (n, 4) float32 xyxy in output pixels, (n,) int64.
        """
        height, width = out_hw = size_hw(img_size)
        draws = rng.random(_DRAWS).tolist()
        if draws[0] < self.prob:
            canvas_hw = (2 * height, 2 * width)
            placed = _place_four(dataset, index, out_hw, draws[1:7])
        else:
            canvas_hw = out_hw
            placed = [_place_centred(dataset.load(index), out_hw)]
        affine = self._random_affine(canvas_hw, out_hw, draws[7:])
        img = np.full((height, width, 3), self.pad_value, dtype=np.uint8)
        for picture in placed:
            _warp_into(img, picture, canvas_hw, affine)
        bboxes, labels = _warp_boxes(placed, canvas_hw, out_hw, affine)
        return img, bboxes, labels

    def _random_affine(self, canvas_hw: tuple[int, int], out_hw: tuple[int, int], draws: list[float]) -> _Affine:
        """Zoom, rotation and shear about the canvas centre, which lands near the centre of the output."""
        u_scale, u_x, u_y, u_angle, u_shear_x, u_shear_y = (2.0 * u - 1.0 for u in draws)
        scale = 1.0 + self.scale * u_scale
        angle = math.radians(self.degrees * u_angle)
        cos, sin = scale * math.cos(angle), scale * math.sin(angle)
        shear_x, shear_y = (math.tan(math.radians(self.shear * u)) for u in (u_shear_x, u_shear_y))
        # The shear (1, shear_x; shear_y, 1) after the rotation and zoom (cos, sin; -sin, cos).
        a, b = cos - shear_x * sin, sin + shear_x * cos
        c, d = shear_y * cos - sin, shear_y * sin + cos
        centre_y, centre_x = canvas_hw[0] / 2, canvas_hw[1] / 2
        shift_x = (0.5 + self.translate * u_x) * out_hw[1] - (a + b * (centre_y / centre_x)) * centre_x
        shift_y = (0.5 + self.translate * u_y) * out_hw[0] - (c * (centre_x / centre_y) + d) * centre_y
        return _Affine((a, b, c, d), (shift_x, shift_y), scale)


def _place_four(dataset: Any, index: int, out_hw: tuple[int, int], draws: list[float]) -> list[_Placed]:
    """This picture in a random quadrant and three random others, all touching a random centre."""
    u_x, u_y, u_slot, *u_others = draws
    centre_y, centre_x = (int(side * (0.5 + u)) for side, u in zip(out_hw, (u_y, u_x), strict=True))
    indices = [int(u * len(dataset)) for u in u_others]
    indices.insert(int(u_slot * 4), index)
    placed = []
    for slot, i in enumerate(indices):
        img, bboxes, labels = dataset.load(i)
        left = centre_x if slot % 2 else centre_x - img.shape[1]
        top = centre_y if slot // 2 else centre_y - img.shape[0]
        placed.append(_Placed(img, left, top, bboxes, labels))
    return placed


def _place_centred(loaded: tuple[np.ndarray, np.ndarray, np.ndarray], canvas_hw: tuple[int, int]) -> _Placed:
    """The letterbox: a picture in the middle of its canvas; an odd pixel of padding goes right or below."""
    img, bboxes, labels = loaded
    return _Placed(img, (canvas_hw[1] - img.shape[1]) // 2, (canvas_hw[0] - img.shape[0]) // 2, bboxes, labels)


def _warp_into(out: np.ndarray, picture: _Placed, canvas_hw: tuple[int, int], affine: _Affine) -> None:
    """Draws a picture's part of the output, (H, W, 3), in place."""
    height, width = picture.img.shape[:2]
    # The canvas pixels that are its own, as an area: pixel i covers [i - 0.5, i + 0.5).
    x_low, x_high = max(picture.left, 0) - 0.5, min(picture.left + width, canvas_hw[1]) - 0.5
    y_low, y_high = max(picture.top, 0) - 0.5, min(picture.top + height, canvas_hw[0]) - 0.5
    (a, b, c, d), (shift_x, shift_y) = affine.linear, affine.shift
    corners_x = [a * x + b * y + shift_x for x in (x_low, x_high) for y in (y_low, y_high)]
    corners_y = [c * x + d * y + shift_y for x in (x_low, x_high) for y in (y_low, y_high)]
    u_low, u_high = max(math.ceil(min(corners_x)), 0), min(math.ceil(max(corners_x)), out.shape[1])
    v_low, v_high = max(math.ceil(min(corners_y)), 0), min(math.ceil(max(corners_y)), out.shape[0])
    if u_low >= u_high or v_low >= v_high:
        return
    # canvas = inverse @ (out - shift), as rows (xu, xv, x0), (yu, yv, y0)
    determinant = a * d - b * c
    xu, xv, yu, yv = d / determinant, -b / determinant, -c / determinant, a / determinant
    x0, y0 = -(xu * shift_x + xv * shift_y), -(yu * shift_x + yv * shift_y)
    from_region = np.array(
        [
            [xu, xv, xu * u_low + xv * v_low + x0 - picture.left],
            [yu, yv, yu * u_low + yv * v_low + y0 - picture.top],
        ]
    )
    region = out[v_low:v_high, u_low:u_high]
    wh = (u_high - u_low, v_high - v_low)
    if affine.keeps_axes:
        cv2.warpAffine(picture.img, from_region, wh, region, _WARP_FLAGS, cv2.BORDER_REPLICATE)
        return
    u, v = np.arange(u_low, u_high), np.arange(v_low, v_high)[:, None]
    x, y = xu * u + (xv * v + x0), yu * u + (yv * v + y0)
    own = (x >= x_low) & (x < x_high) & (y >= y_low) & (y < y_high)
    warped = cv2.warpAffine(picture.img, from_region, wh, None, _WARP_FLAGS, cv2.BORDER_REPLICATE)
    cv2.copyTo(warped, own.view(np.uint8), region)


def _warp_boxes(
    placed: list[_Placed], canvas_hw: tuple[int, int], out_hw: tuple[int, int], affine: _Affine
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of all pictures in output pixels, (n, 4) float32 xyxy, without those that the warp has spoilt; labels."""
    on_canvas = np.concatenate([p.bboxes + np.array([p.left, p.top, p.left, p.top], np.float64) for p in placed])
    labels = np.concatenate([p.labels for p in placed])
    np.maximum(on_canvas, 0.0, out=on_canvas)
    np.minimum(on_canvas, canvas_hw[::-1] * 2, out=on_canvas)
    (a, b, c, d), (shift_x, shift_y) = affine.linear, affine.shift
    if affine.keeps_axes:
        bboxes = on_canvas * affine.scale + np.array([shift_x, shift_y, shift_x, shift_y])
    else:
        x, y = on_canvas[:, [0, 2, 0, 2]], on_canvas[:, [1, 1, 3, 3]]  # (n, 4): the four corners
        corners_x, corners_y = a * x + b * y + shift_x, c * x + d * y + shift_y
        bboxes = np.stack([corners_x.min(1), corners_y.min(1), corners_x.max(1), corners_y.max(1)], axis=1)
    np.maximum(bboxes, 0.0, out=bboxes)
    np.minimum(bboxes, out_hw[::-1] * 2, out=bboxes)
    area_before = np.prod(on_canvas[:, 2:] - on_canvas[:, :2], axis=1) * affine.scale**2
    width, height = (bboxes[:, 2:] - bboxes[:, :2]).T
    short, long = np.minimum(width, height), np.maximum(width, height)
    keep = (short > _MIN_SIDE) & (long < _MAX_ASPECT * short)
    # v7.0 lets a box of no area (wholly off the canvas) come back when a rotation gives its corners some extent.
    keep &= (area_before > 0.0) & (width * height > _MIN_AREA_RATIO * area_before)
    return bboxes[keep].astype(np.float32), labels[keep]
