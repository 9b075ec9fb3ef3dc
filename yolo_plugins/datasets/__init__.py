"""VOC and COCO data for detection. Nothing is imported here, so that the tools for VOC files need no torch."""
