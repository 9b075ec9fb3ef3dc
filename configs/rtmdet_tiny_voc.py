"""RTMDet-tiny of MMDetection (4.9 M parameters), VOC 07+12, 320 px, 200 epochs: the study's protocol.

yolo-plugins train rtmdet_tiny_voc
"""

_base_ = [
    "_base_/models/rtmdet_tiny.py",
    "_base_/datasets/voc0712_320_corner.py",
    "_base_/schedules/onecycle_200e.py",
]
