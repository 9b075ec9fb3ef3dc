"""Detectors: backbone, neck and head put together."""

from yolo_plugins.models.detectors.data_preprocessor import YOLODataPreprocessor
from yolo_plugins.models.detectors.yolo_detector import YOLODetector, to_original

__all__ = ["YOLODataPreprocessor", "YOLODetector", "to_original"]
