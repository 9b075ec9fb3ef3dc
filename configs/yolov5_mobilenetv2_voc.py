"""YOLOv5 on MobileNetV2 of mmpretrain; neck and head of YOLOv5-s, VOC 07+12, 320 px, 200 epochs.

yolo-plugins train yolov5_mobilenetv2_voc
"""

_base_ = [
    "_base_/models/yolov5_any_backbone.py",
    "_base_/datasets/voc0712_320.py",
    "_base_/schedules/onecycle_200e.py",
]
model = dict(backbone=dict(net=dict(type="mmpretrain.MobileNetV2")))
