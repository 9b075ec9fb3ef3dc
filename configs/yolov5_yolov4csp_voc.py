"""YOLOv5 on the backbone of YOLOv4-CSP at half its width; neck and head of YOLOv5-s, VOC 07+12, 320 px, 200 epochs.

yolo-plugins train yolov5_yolov4csp_voc
"""

_base_ = [
    "_base_/models/yolov5.py",
    "_base_/datasets/voc0712_320.py",
    "_base_/schedules/onecycle_200e.py",
]
model = dict(
    backbone=dict(_delete_=True, type="YOLOv4CSP", repeats=(1, 2, 8, 8, 4), plain_first=True, widen_factor=0.5),
    neck=dict(deepen_factor=0.33, widen_factor=0.50),
)
