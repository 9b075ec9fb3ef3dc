"""MixUp of two mosaics (Zhang et al., 2018), with the nearly even ratio of YOLOv5."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from yolo_plugins.errors import UsageError
from yolo_plugins.registry import TRANSFORMS


@TRANSFORMS.register_module()
class MixUp(BaseTransform):
    """Blends the sample with a second one that went through the same `MosaicAffine`; the boxes of both stay.

    Args:
        prob: Probability of the blend.
        alpha: Both parameters of the Beta distribution of the ratio (YOLOv5: 32, a ratio of 0.5 +- 0.06).
    """

    def __init__(self, prob: float = 0.1, alpha: float = 32.0) -> None:
        self.prob = prob
        self.alpha = alpha

    def transform(self, results: dict) -> dict:
        """Reads `mosaic`, `dataset`, `img_size`, `rng`; replaces `img`, `gt_bboxes`, `gt_bboxes_labels`.

        Raises:
            UsageError: No `MosaicAffine` stands before it.
        """
        if "mosaic" not in results:
            raise UsageError("MixUp blends two mosaics; put dict(type='MosaicAffine') before it in the pipeline")
        rng, dataset = results["rng"], results["dataset"]
        if rng.random() >= self.prob:
            return results
        other = int(rng.integers(len(dataset)))
        ratio = float(rng.beta(self.alpha, self.alpha))
        img, bboxes, labels = results["mosaic"].sample(dataset, other, results["img_size"], rng)
        results["img"] = cv2.addWeighted(results["img"], ratio, img, 1.0 - ratio, 0.0)
        results["gt_bboxes"] = np.concatenate([results["gt_bboxes"], bboxes])
        results["gt_bboxes_labels"] = np.concatenate([results["gt_bboxes_labels"], labels])
        return results
