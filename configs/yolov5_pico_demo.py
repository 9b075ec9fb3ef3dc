"""`make demo`'s detector at half the width of YOLOv5-n: the smallest of its three models, 0.46 M parameters.

yolo-plugins make-synthetic-voc data/synthetic
yolo-plugins train yolov5_pico_demo --cfg-options data_root=data/synthetic
"""

_base_ = [
    "_base_/models/yolov5.py",
    "_base_/datasets/voc_160_plain.py",
    "_base_/schedules/yolov5_linear_24e.py",
]
model = dict(
    backbone=dict(deepen_factor=0.33, widen_factor=0.125),
    neck=dict(deepen_factor=0.33, widen_factor=0.125),
)
