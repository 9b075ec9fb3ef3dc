"""YOLOv5-n on PASCAL VOC 07+12 with the schedule of YOLOv5 v6.1 to v7.0, in place of the study's one-cycle.

yolo-plugins train yolov5_n_voc_linear
"""

_base_ = [
    "_base_/models/yolov5.py",
    "_base_/datasets/voc0712_320.py",
    "_base_/schedules/yolov5_linear_200e.py",
]
model = dict(
    backbone=dict(deepen_factor=0.33, widen_factor=0.25),
    neck=dict(deepen_factor=0.33, widen_factor=0.25),
)
