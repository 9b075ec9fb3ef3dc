"""Assigner and coders: tensors in, tensors out, no parameters."""

from yolo_plugins.models.task_modules.bbox_coders import DarknetBBoxCoder, YOLOv5BBoxCoder
from yolo_plugins.models.task_modules.nms import select_detections
from yolo_plugins.models.task_modules.shape_assigner import Assignment, ShapeAssigner

__all__ = ["Assignment", "DarknetBBoxCoder", "ShapeAssigner", "YOLOv5BBoxCoder", "select_detections"]
