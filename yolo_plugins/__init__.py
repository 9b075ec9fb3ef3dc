"""Any backbone under YOLOv5 and Scaled-YOLOv4, trained with MMEngine, and the scaling law that the runs obey."""

import sys

from yolo_plugins import mmcv_hook

__version__ = "0.1.0"

sys.meta_path.append(mmcv_hook)
