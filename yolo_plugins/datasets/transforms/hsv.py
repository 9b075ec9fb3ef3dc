"""YOLOv5's colour jitter: random gains on hue, saturation and value, in one table look-up."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from yolo_plugins.registry import TRANSFORMS

_LEVELS = np.arange(256, dtype=np.float64)
_HUES = 180  # OpenCV's 8-bit hue is degrees / 2


@TRANSFORMS.register_module()
class HSVJitter(BaseTransform):
    """Multiplies hue (modulo the circle), saturation and value (cut at 255), each by a gain uniform in 1 -+ its range.

    mmdet's YOLOXHSVRandomAug adds instead of multiplying.

    Args:
        hue: Range of the gain of the hue.
        saturation: Range of the gain of the saturation.
        value: Range of the gain of the value.
    """

    def __init__(self, hue: float = 0.015, saturation: float = 0.7, value: float = 0.4) -> None:
        self.hue = hue
        self.saturation = saturation
        self.value = value

    def transform(self, results: dict) -> dict:
        """Reads `rng`; replaces `img`, (H, W, 3) uint8 BGR."""
        u_hue, u_saturation, u_value = (2.0 * u - 1.0 for u in results["rng"].random(3).tolist())
        table = np.empty((1, 256, 3), dtype=np.uint8)  # the assignments below truncate
        table[0, :, 0] = _LEVELS * (1.0 + self.hue * u_hue) % _HUES
        table[0, :, 1] = np.minimum(_LEVELS * (1.0 + self.saturation * u_saturation), 255.0)
        table[0, :, 2] = np.minimum(_LEVELS * (1.0 + self.value * u_value), 255.0)
        hsv = cv2.LUT(cv2.cvtColor(results["img"], cv2.COLOR_BGR2HSV), table)
        results["img"] = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR, dst=hsv)
        return results
