"""Pictures in, named detections out."""

from yolo_plugins.inference.detector import Detector, Results, UnreadablePicture
from yolo_plugins.inference.model import class_names, detect, load_detector, set_thresholds, test_pipeline
from yolo_plugins.inference.outputs import write_results
from yolo_plugins.inference.result import Boxes, Result
from yolo_plugins.inference.sources import open_data, open_source

__all__ = [
    "Boxes",
    "Detector",
    "Result",
    "Results",
    "UnreadablePicture",
    "class_names",
    "detect",
    "load_detector",
    "open_data",
    "open_source",
    "set_thresholds",
    "test_pipeline",
    "write_results",
]
