"""YOLOv5 on ConvNeXt-pico of timm; neck and head of YOLOv5-s, VOC 07+12, 320 px, 200 epochs.

ConvNeXt-pico has the size of RepVGG-A0 and YOLOv5-s with the design of 2022.

yolo-plugins train yolov5_convnext_voc
"""

_base_ = [
    "_base_/models/yolov5_any_backbone.py",
    "_base_/datasets/voc0712_320.py",
    "_base_/schedules/onecycle_200e.py",
]
model = dict(backbone=dict(net=dict(type="timm", model_name="convnext_pico")))
