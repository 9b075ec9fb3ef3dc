"""Networks that mix a backbone's maps."""

from yolo_plugins.models.necks.yolov4_csp_pan import YOLOv4CSPPAN
from yolo_plugins.models.necks.yolov4_tiny_fpn import YOLOv4TinyFPN
from yolo_plugins.models.necks.yolov5_pafpn import YOLOv5PAFPN

__all__ = ["YOLOv4CSPPAN", "YOLOv4TinyFPN", "YOLOv5PAFPN"]
