"""RetinaNet of MMDetection on ResNet-18 of mmpretrain, VOC 07+12, 320 px, 200 epochs: the study's protocol.

yolo-plugins train retinanet_resnet18_voc
"""

_base_ = [
    "_base_/models/retinanet.py",
    "_base_/datasets/voc0712_320.py",
    "_base_/schedules/onecycle_200e.py",
]
model = dict(backbone=dict(net=dict(type="mmpretrain.ResNet", depth=18)))
