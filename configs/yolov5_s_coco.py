"""YOLOv5-s (7.2 M parameters) on COCO 2017, 640 px, 300 epochs from scratch: the release's recipe for small models.

yolo-plugins train yolov5_s_coco
"""

_base_ = [
    "_base_/models/yolov5.py",
    "_base_/datasets/coco_640.py",
    "_base_/schedules/yolov5_linear_300e.py",
]
model = dict(
    backbone=dict(deepen_factor=0.33, widen_factor=0.50),
    neck=dict(deepen_factor=0.33, widen_factor=0.50),
    bbox_head=dict(num_classes=80),
)
