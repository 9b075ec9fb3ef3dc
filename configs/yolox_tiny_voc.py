"""YOLOX-tiny of MMDetection (5.0 M parameters), VOC 07+12, 320 px, 200 epochs: the study's protocol.

yolo-plugins train yolox_tiny_voc
"""

_base_ = [
    "_base_/models/yolox_tiny.py",
    "_base_/datasets/voc0712_320.py",
    "_base_/schedules/onecycle_200e.py",
]
model = dict(backbone=dict(net=dict(type="mmdet.CSPDarknet", deepen_factor=0.33, widen_factor=0.375)))
