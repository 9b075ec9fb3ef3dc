"""YOLOv5 on DenseNet-121 of timm; neck and head of YOLOv5-s, VOC 07+12, 320 px, 200 epochs.

timm's maps come before the transition layers; mmpretrain's come after them, pooled.

yolo-plugins train yolov5_densenet_voc
"""

_base_ = [
    "_base_/models/yolov5_any_backbone.py",
    "_base_/datasets/voc0712_320.py",
    "_base_/schedules/onecycle_200e.py",
]
model = dict(backbone=dict(net=dict(type="timm", model_name="densenet121")))
