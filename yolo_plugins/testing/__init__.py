"""Checks and measurements that authors and users run on their own models."""

from yolo_plugins.testing.check_backbone import check_backbone
from yolo_plugins.testing.check_head import check_head
from yolo_plugins.testing.check_loss import check_loss
from yolo_plugins.testing.check_neck import check_neck
from yolo_plugins.testing.networks import MapsSummary

__all__ = ["MapsSummary", "check_backbone", "check_head", "check_loss", "check_neck"]
