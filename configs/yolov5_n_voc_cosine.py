"""YOLOv5-n on PASCAL VOC 07+12 with YOLOv5 v6.0's own schedule, in place of the study's one-cycle.

yolo-plugins train yolov5_n_voc_cosine
"""

_base_ = [
    "_base_/models/yolov5.py",
    "_base_/datasets/voc0712_320.py",
    "_base_/schedules/yolov5_cosine_200e.py",
]
model = dict(
    backbone=dict(deepen_factor=0.33, widen_factor=0.25),
    neck=dict(deepen_factor=0.33, widen_factor=0.25),
)
