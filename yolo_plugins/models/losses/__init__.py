"""Losses: they own every scaling by classes, levels and image size."""

from yolo_plugins.models.losses.iou import complete_iou
from yolo_plugins.models.losses.yolo_loss import YOLOLoss

__all__ = ["YOLOLoss", "complete_iou"]
