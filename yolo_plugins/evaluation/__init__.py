"""Measuring detections: plain arrays in `average_precision`, the MMEngine metric in `detection_metric`."""

from yolo_plugins.evaluation.average_precision import (
    IOU_THRESHOLDS,
    MODES,
    SCORES,
    DetectionScores,
    evaluate_detections,
)
from yolo_plugins.evaluation.detection_metric import DetectionMetric

__all__ = ["IOU_THRESHOLDS", "MODES", "SCORES", "DetectionMetric", "DetectionScores", "evaluate_detections"]
