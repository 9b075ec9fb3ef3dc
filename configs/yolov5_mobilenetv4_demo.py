"""`make demo`'s detector on MobileNetV4-conv-small x0.5 of timm: the middle of its three models, 1.1 M parameters.

yolo-plugins make-synthetic-voc data/synthetic
yolo-plugins train yolov5_mobilenetv4_demo --cfg-options data_root=data/synthetic
"""

_base_ = [
    "_base_/models/yolov5_any_backbone.py",
    "_base_/datasets/voc_160_plain.py",
    "_base_/schedules/yolov5_linear_24e.py",
]
model = dict(
    backbone=dict(net=dict(type="timm", model_name="mobilenetv4_conv_small_050")),
    neck=dict(widen_factor=0.25),
)
