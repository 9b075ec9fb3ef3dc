"""Neck (at half its width) and head of YOLOv4-CSP on ResNet-18 of mmpretrain, VOC 07+12, 320 px, 200 epochs.

yolo-plugins train yolov4csp_resnet18_voc
"""

_base_ = [
    "_base_/models/yolov4_csp.py",
    "_base_/datasets/voc0712_320.py",
    "_base_/schedules/onecycle_200e.py",
]
model = dict(
    backbone=dict(_delete_=True, type="PyramidBackbone", net=dict(type="mmpretrain.ResNet", depth=18)),
    neck=dict(widen_factor=0.5),
)
