"""A tiny detector with random weights, and pictures for it."""

import numpy as np
import torch
from mmengine.config import ConfigDict

from yolo_plugins.config import load_config
from yolo_plugins.registry import MODELS
from yolo_plugins.testing.random_detector import settle

HW = (64, 96)
CHANGES = ["model.backbone.widen_factor=0.125", "model.neck.widen_factor=0.125", "model.bbox_head.num_classes=2"]
PACKAGES = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("openvino",)}


def pictures(count: int, hw: tuple[int, int] = HW) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, 3, *hw), dtype=np.uint8)


def built(**parts: object) -> torch.nn.Module:
    """A tiny YOLOv5 of other parts, in evaluation, which finds something."""
    torch.manual_seed(0)
    model = load_config("yolov5_n_voc", CHANGES).model
    detector = MODELS.build(ConfigDict(model.to_dict() | parts)).eval()
    settle(detector, torch.from_numpy(pictures(8)))
    return detector
