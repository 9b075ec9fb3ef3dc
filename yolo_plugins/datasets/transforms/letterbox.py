"""YOLOv5's letterbox: resize with the aspect ratio kept, then pad with grey to the shape."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from yolo_plugins.registry import TRANSFORMS


def letterbox(
    img: np.ndarray,
    new_shape_hw: tuple[int, int],
    auto: bool = False,
    scaleup: bool = True,
    stride: int = 32,
    value: int = 114,
) -> tuple[np.ndarray, float, tuple[float, float]]:
    """Fits a picture into a shape (v7.0's rounding of sizes and padding).

    Args:
        img: (h, w, 3) uint8.
        new_shape_hw: Height and width to fill.
        auto: Pad only to the next multiple of `stride`, so that a side may come out shorter than the shape.
        scaleup: Whether a picture smaller than the shape may grow.
        stride: Of `auto`, pixels.
        value: Grey level of the padding.

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
    top, left = pad_height // 2, pad_width // 2
    grey = (value, value, value)
    img = cv2.copyMakeBorder(img, top, pad_height - top, left, pad_width - left, cv2.BORDER_CONSTANT, value=grey)
    return img, ratio, (pad_width / 2, pad_height / 2)


@TRANSFORMS.register_module()
class Letterbox(BaseTransform):
    """Pads the scaled picture to `batch_hw` (`img_size` squared where the data set gives none); it does not enlarge.

    Args:
        value: Grey level of the padding.
    """

    def __init__(self, value: int = 114) -> None:
        self.value = value

    def transform(self, results: dict) -> dict:
        """Reads `ori_shape` (h, w), `img_size`; replaces `img` (h, w, 3) and, if any, `gt_bboxes` (n, 4) in its pixels.

        Writes `img_shape` (H, W), `scale_factor` (x, y) from the original to the padded picture, and `pad_param`
        (top, bottom, left, right) in pixels.
        """
        height, width = results["img"].shape[:2]
        new_shape_hw = results.get("batch_hw", (results["img_size"],) * 2)
        img, ratio, _ = letterbox(results["img"], new_shape_hw, scaleup=False, value=self.value)
        inner_height, inner_width = round(height * ratio), round(width * ratio)
        pad_height, pad_width = img.shape[0] - inner_height, img.shape[1] - inner_width
        top, left = pad_height // 2, pad_width // 2
        ori_height, ori_width = results["ori_shape"]
        results["img"] = img
        results["img_shape"] = img.shape[:2]
        results["scale_factor"] = (inner_width / ori_width, inner_height / ori_height)
        results["pad_param"] = (top, pad_height - top, left, pad_width - left)
        if "gt_bboxes" in results:
            factor = np.array([inner_width / width, inner_height / height] * 2, dtype=np.float32)
            results["gt_bboxes"] = results["gt_bboxes"] * factor + np.array([left, top] * 2, dtype=np.float32)
        return results
