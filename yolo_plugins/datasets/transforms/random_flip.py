"""Horizontal flip whose coin comes from the sample's own generator (mmdet's RandomFlip tosses np.random's)."""

import cv2
from mmcv.transforms import BaseTransform

from yolo_plugins.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomFlip(BaseTransform):
    """Mirrors the sample, left to right.

    Args:
        prob: Probability of the flip.
    """

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Reads `rng`; replaces `img` (H, W, 3) and `gt_bboxes` (n, 4) xyxy in its pixels."""
        if results["rng"].random() < self.prob:
            results["img"] = cv2.flip(results["img"], 1)
            bboxes = results["gt_bboxes"].copy()
            bboxes[:, 0::2] = results["img"].shape[1] - bboxes[:, 2::-2]
            results["gt_bboxes"] = bboxes
        return results
