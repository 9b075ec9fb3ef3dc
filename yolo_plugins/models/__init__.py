"""Detectors and their parts."""

from yolo_plugins.models import backbones, dense_heads, detectors, losses, necks, task_modules
from yolo_plugins.models.deploy import to_deploy

__all__ = ["backbones", "dense_heads", "detectors", "losses", "necks", "task_modules", "to_deploy"]
