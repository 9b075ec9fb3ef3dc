"""YOLOv5-n (1.8 M parameters) on PASCAL VOC 07+12, 320 px, 200 epochs from scratch: the study's protocol.

yolo-plugins train yolov5_n_voc
"""

_base_ = [
    "_base_/models/yolov5.py",
    "_base_/datasets/voc0712_320.py",
    "_base_/schedules/onecycle_200e.py",
]
model = dict(
    backbone=dict(deepen_factor=0.33, widen_factor=0.25),
    neck=dict(deepen_factor=0.33, widen_factor=0.25),
)
