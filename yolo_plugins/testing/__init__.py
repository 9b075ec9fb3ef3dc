"""Checks and measurements that authors and users run on their own models."""

from yolo_plugins.testing.check_backbone import BackboneSummary, check_backbone

__all__ = ["BackboneSummary", "check_backbone"]
