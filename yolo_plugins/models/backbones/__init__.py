"""Networks that turn an image into maps at stated channels and strides."""

from yolo_plugins.models.backbones.yolov5_csp import YOLOv5CSP

__all__ = ["YOLOv5CSP"]
