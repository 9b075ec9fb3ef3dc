"""The last step of a training pipeline: arrays become the tensors that the detector takes."""

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform

from yolo_plugins.registry import TRANSFORMS


def to_rgb_chw(img: np.ndarray) -> torch.Tensor:
    """A BGR picture (H, W, 3) as a contiguous RGB tensor (3, H, W) uint8; floats are rounded and cut to 0..255."""
    if img.dtype != np.uint8:  # photometric transforms of mmdet leave float32
        img = np.clip(np.rint(img), 0, 255).astype(np.uint8)
    planes = np.empty((3, *img.shape[:2]), dtype=np.uint8)
    for channel, plane in zip((2, 1, 0), planes, strict=True):
        cv2.extractChannel(img, channel, dst=plane)
    return torch.from_numpy(planes)


@TRANSFORMS.register_module()
class PackTrain(BaseTransform):
    """Packs the augmented picture and its boxes."""

    def transform(self, results: dict) -> dict:
        """Returns dict(inputs=(3, S, S) uint8 RGB, data_samples=(n, 5) float32).

        A row of the latter is a box: class, x1, y1, x2, y2 in input pixels.
        """
        rows = np.empty((len(results["gt_bboxes"]), 5), dtype=np.float32)
        rows[:, 0] = results["gt_bboxes_labels"]
        rows[:, 1:] = results["gt_bboxes"]
        return {"inputs": to_rgb_chw(results["img"]), "data_samples": torch.from_numpy(rows)}
