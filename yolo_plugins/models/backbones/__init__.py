"""Networks that turn an image into maps at stated channels and strides."""

from yolo_plugins.models.backbones.inception_v4 import InceptionV4
from yolo_plugins.models.backbones.pyramid import PyramidBackbone
from yolo_plugins.models.backbones.timm_net import TimmNet
from yolo_plugins.models.backbones.yolov4_csp import YOLOv4CSP
from yolo_plugins.models.backbones.yolov4_tiny import YOLOv4Tiny
from yolo_plugins.models.backbones.yolov5_csp import YOLOv5CSP

__all__ = ["InceptionV4", "PyramidBackbone", "TimmNet", "YOLOv4CSP", "YOLOv4Tiny", "YOLOv5CSP"]
