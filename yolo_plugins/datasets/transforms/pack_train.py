"""The last step of a training pipeline: arrays become what MMDetection's detectors take."""

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from yolo_plugins.registry import TRANSFORMS

_META_KEYS = ("img_id", "img_path", "ori_shape", "img_shape")


def to_chw(img: np.ndarray) -> torch.Tensor:
    """A picture (H, W, 3) as a contiguous tensor (3, H, W) uint8, channels in their order; floats are rounded."""
    if img.dtype != np.uint8:  # photometric transforms of mmdet leave float32
        img = np.clip(np.rint(img), 0, 255).astype(np.uint8)
    planes = np.empty((3, *img.shape[:2]), dtype=np.uint8)
    for channel, plane in enumerate(planes):
        cv2.extractChannel(img, channel, dst=plane)  # a quarter of the time of a transposed copy
    return torch.from_numpy(planes)


def pack(results: dict, meta_keys: tuple[str, ...]) -> dict:
    """The picture as a tensor and an empty data sample with those of the keys that are known."""
    sample = DetDataSample(metainfo={key: results[key] for key in meta_keys if key in results})
    return {"inputs": to_chw(results["img"]), "data_samples": sample}


def instances(bboxes: np.ndarray, labels: np.ndarray) -> InstanceData:
    """Boxes (n, 4) float32 xyxy and labels (n,) int64 as MMDetection keeps them."""
    return InstanceData(
        bboxes=torch.from_numpy(np.asarray(bboxes, dtype=np.float32)),
        labels=torch.from_numpy(np.asarray(labels, dtype=np.int64)),
    )


@TRANSFORMS.register_module()
class PackTrain(BaseTransform):
    """Packs the augmented picture and its boxes."""

    def transform(self, results: dict) -> dict:
        """Returns dict(inputs=(3, H, W) uint8 BGR, data_samples=DetDataSample).

        The sample has `gt_instances`: `bboxes` (n, 4) xyxy in input pixels, `labels` (n,); and, as no object of a
        training sample is to be ignored, empty `ignored_instances`. Its metainfo holds `img_id`, `img_path`,
        `ori_shape` (h, w) of the picture that the sample is built around, and `img_shape` (H, W).
        """
        packed = pack(results, _META_KEYS)
        packed["data_samples"].gt_instances = instances(results["gt_bboxes"], results["gt_bboxes_labels"])
        packed["data_samples"].ignored_instances = instances(np.zeros((0, 4)), np.zeros(0))
        return packed
