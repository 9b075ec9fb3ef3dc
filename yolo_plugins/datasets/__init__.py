"""VOC, COCO and YOLO data for detection. Nothing is imported here, so that what only finds files needs no torch."""
