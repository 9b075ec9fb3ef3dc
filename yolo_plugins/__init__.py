"""Any backbone under YOLOv5 and Scaled-YOLOv4, trained with MMEngine, and the scaling law that the runs obey."""

import sys
from typing import TYPE_CHECKING, Any

from yolo_plugins import mmcv_hook

if TYPE_CHECKING:
    from yolo_plugins.inference import Detector

__all__ = ["Detector"]
__version__ = "0.1.0"

sys.meta_path.append(mmcv_hook)


def __getattr__(name: str) -> Any:
    """Imports `Detector`, and torch with it, where it is asked for."""
    if name == "Detector":
        from yolo_plugins.inference import Detector

        return Detector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
