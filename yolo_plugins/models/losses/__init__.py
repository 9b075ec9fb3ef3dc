"""Losses: they own every scaling by classes, levels and image size."""

from yolo_plugins.models.losses.iou import IOU_KINDS
from yolo_plugins.models.losses.loss_input import LossInput
from yolo_plugins.models.losses.yolo_loss import YOLOLoss

__all__ = ["IOU_KINDS", "LossInput", "YOLOLoss"]
