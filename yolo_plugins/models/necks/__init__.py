"""Networks that mix a backbone's maps."""

from yolo_plugins.models.necks.yolov5_pafpn import YOLOv5PAFPN

__all__ = ["YOLOv5PAFPN"]
