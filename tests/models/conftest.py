"""Builders of small detectors."""

import pytest

from yolo_plugins.registry import MODELS


def yolov5_cfg(deepen_factor: float = 0.33, widen_factor: float = 0.125, num_classes: int = 20) -> dict:
    """Config of a YOLOv5 of any scale."""
    scale = dict(deepen_factor=deepen_factor, widen_factor=widen_factor)
    return dict(
        type="YOLODetector",
        backbone=dict(type="YOLOv5CSP", **scale),
        neck=dict(type="YOLOv5PAFPN", **scale),
        bbox_head=dict(type="YOLOAnchorHead", num_classes=num_classes),
    )


@pytest.fixture
def build_yolov5():
    """Builds a YOLOv5 from (deepen_factor, widen_factor, num_classes)."""
    return lambda *args, **kwargs: MODELS.build(yolov5_cfg(*args, **kwargs))
