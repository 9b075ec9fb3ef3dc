"""Detectors: backbone, neck and head put together."""

from yolo_plugins.models.detectors.data_preprocessor import YOLODataPreprocessor
from yolo_plugins.models.detectors.yolo_detector import YOLODetector, stack_targets

__all__ = ["YOLODataPreprocessor", "YOLODetector", "stack_targets"]
