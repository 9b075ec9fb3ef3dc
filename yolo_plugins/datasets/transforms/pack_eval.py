"""The last step of an evaluation pipeline: the picture as a tensor, what is known of it as a DetDataSample."""

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from yolo_plugins.registry import TRANSFORMS

from .pack_train import to_rgb_chw

_META_KEYS = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor", "pad_param")


@TRANSFORMS.register_module()
class PackEval(BaseTransform):
    """Packs a letterboxed picture and, where there are any, its annotations."""

    def transform(self, results: dict) -> dict:
        """Returns dict(inputs=(3, H, W) uint8 RGB, data_samples=DetDataSample).

        The sample's metainfo holds `img_id`, `img_path`, `ori_shape` (h, w), `img_shape` (H, W), `scale_factor` (x, y)
        and `pad_param` (top, bottom, left, right) in pixels. Where `results` has annotations, `gt_instances` and
        `ignored_instances` (the difficult ones) hold `bboxes` (n, 4) xyxy in pixels of the original and `labels` (n,).
        """
        sample = DetDataSample(metainfo={key: results[key] for key in _META_KEYS})
        if "ori_bboxes" in results:
            difficult = results["difficult"]
            sample.gt_instances = _instances(results, ~difficult)
            sample.ignored_instances = _instances(results, difficult)
        return {"inputs": to_rgb_chw(results["img"]), "data_samples": sample}


def _instances(results: dict, chosen: np.ndarray) -> InstanceData:
    return InstanceData(
        bboxes=torch.from_numpy(results["ori_bboxes"][chosen]), labels=torch.from_numpy(results["ori_labels"][chosen])
    )
