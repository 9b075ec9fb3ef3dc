"""Any backbone under YOLOv5 and Scaled-YOLOv4, trained with MMEngine, and the scaling law that the runs obey."""

__version__ = "0.1.0"
