"""YOLOv5's letterbox: resize with the aspect ratio kept, then pad with grey to the shape."""

from collections.abc import Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from yolo_plugins.config import size_hw
from yolo_plugins.datasets.images import scale_to_fit
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import TRANSFORMS


def letterbox(
    img: np.ndarray,
    new_shape_hw: tuple[int, int],
    auto: bool = False,
    scaleup: bool = True,
    stride: int = 32,
    value: int = 114,
    centre: bool = True,
) -> tuple[np.ndarray, float, tuple[float, float]]:
    """Fits a picture into a shape (v7.0's rounding of sizes and padding).

    Args:
        img: (h, w, 3) uint8.
        new_shape_hw: Height and width to fill.
        auto: Pad only to the next multiple of `stride`, so that a side may come out shorter than the shape.
        scaleup: Whether a picture smaller than the shape may grow.
        stride: Of `auto`, pixels.
        value: Grey level of the padding.
        centre: Whether the padding is divided between the sides, or lies below and on the right.

    Returns:
        (H, W, 3) uint8; the factor of the resize; half of the padding in x and in y, pixels. A half such as 5.5 means
        5 pixels on the left or upper side and 6 on the other.
    """
    height, width = img.shape[:2]
    new_height, new_width = new_shape_hw
    ratio = min(new_height / height, new_width / width)
    if not scaleup:
        ratio = min(ratio, 1.0)
    inner_height, inner_width = round(height * ratio), round(width * ratio)
    pad_height, pad_width = new_height - inner_height, new_width - inner_width
    if auto:
        pad_height, pad_width = pad_height % stride, pad_width % stride
    if (inner_height, inner_width) != (height, width):
        img = cv2.resize(img, (inner_width, inner_height), interpolation=cv2.INTER_LINEAR)
    top, left = (pad_height // 2, pad_width // 2) if centre else (0, 0)
    grey = (value, value, value)
    img = cv2.copyMakeBorder(img, top, pad_height - top, left, pad_width - left, cv2.BORDER_CONSTANT, value=grey)
    return img, ratio, (pad_width / 2, pad_height / 2)


@TRANSFORMS.register_module()
class Letterbox(BaseTransform):
    """Scales the picture to the size of the input and pads it to that shape.

    A data set gives pictures that are scaled already, and its own size; that of the config is for all others.

    Args:
        img_size: Height and width of the input in pixels, or the side of a square; a data set that states no size takes
            it from here.
        centre: Whether the padding is divided between the sides, as YOLOv5 does it, or lies below and on the right:
            detectors of MMDetection scale their boxes back and know of no offset.
        value: Grey level of the padding.
    """

    def __init__(self, img_size: int | Sequence[int] | None = None, centre: bool = True, value: int = 114) -> None:
        self.img_size, self.centre, self.value = img_size, centre, value

    def transform(self, results: dict) -> dict:
        """Reads `ori_shape` (h, w) and, if any, `batch_hw` (H, W) or `img_size`; replaces `img` (h, w, 3).

        Writes `img_shape` (H, W), `scale_factor` (x, y) from the original to the padded picture, and `pad_param`
        (top, bottom, left, right) in pixels. `gt_bboxes` (n, 4), if any, come to be in the pixels of the new `img`.

        Raises:
            UsageError: Neither the config nor the data set states a size.
        """
        size = results.get("img_size", self.img_size)
        if size is None:
            raise UsageError("Letterbox: the input has no size; write dict(type='Letterbox', img_size=320)")
        height, width = results["img"].shape[:2]
        bounds_hw = size_hw(size)
        scaled = scale_to_fit(results["img"], bounds_hw)
        new_shape_hw = results.get("batch_hw", bounds_hw)
        img, ratio, _ = letterbox(scaled, new_shape_hw, scaleup=False, value=self.value, centre=self.centre)
        inner_height, inner_width = (round(side * ratio) for side in scaled.shape[:2])
        pad_height, pad_width = img.shape[0] - inner_height, img.shape[1] - inner_width
        top, left = (pad_height // 2, pad_width // 2) if self.centre else (0, 0)
        ori_height, ori_width = results["ori_shape"]
        results["img"] = img
        results["img_shape"] = img.shape[:2]
        results["scale_factor"] = (inner_width / ori_width, inner_height / ori_height)
        results["pad_param"] = (top, pad_height - top, left, pad_width - left)
        if "gt_bboxes" in results:
            factor = np.array([inner_width / width, inner_height / height] * 2, dtype=np.float32)
            results["gt_bboxes"] = results["gt_bboxes"] * factor + np.array([left, top] * 2, dtype=np.float32)
        return results
