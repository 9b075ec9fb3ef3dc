"""Heads: from a neck's maps to raw outputs, losses and detections."""

from yolo_plugins.models.dense_heads.yolo_anchor_head import YOLOV5_ANCHORS, YOLOAnchorHead

__all__ = ["YOLOV5_ANCHORS", "YOLOAnchorHead"]
