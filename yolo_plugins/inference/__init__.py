"""Pictures in, named detections out."""

from yolo_plugins.inference.detector import Detector, Results, UnreadablePicture
from yolo_plugins.inference.exported import ExportedDetector, exported_network, use_exported
from yolo_plugins.inference.model import (
    class_names,
    detect,
    load_detector,
    prepare,
    read_model,
    set_thresholds,
    test_pipeline,
)
from yolo_plugins.inference.outputs import write_results
from yolo_plugins.inference.result import Boxes, Result
from yolo_plugins.inference.sources import open_data, open_source

__all__ = [
    "Boxes",
    "Detector",
    "ExportedDetector",
    "Result",
    "Results",
    "UnreadablePicture",
    "class_names",
    "detect",
    "exported_network",
    "load_detector",
    "open_data",
    "open_source",
    "prepare",
    "read_model",
    "set_thresholds",
    "test_pipeline",
    "use_exported",
    "write_results",
]
