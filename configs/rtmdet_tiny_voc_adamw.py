"""RTMDet-tiny of MMDetection by its own optimiser, AdamW, on VOC 07+12, 320 px, 200 epochs.

yolo-plugins train rtmdet_tiny_voc_adamw
"""

_base_ = [
    "_base_/models/rtmdet_tiny.py",
    "_base_/datasets/voc0712_320_corner.py",
    "_base_/schedules/adamw_cosine_200e.py",
]
