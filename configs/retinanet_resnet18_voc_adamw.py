"""RetinaNet of MMDetection on ResNet-18 by AdamW at the rate of MMDetection's own such configs, on VOC 07+12, 320 px.

yolo-plugins train retinanet_resnet18_voc_adamw
"""

_base_ = [
    "_base_/models/retinanet.py",
    "_base_/datasets/voc0712_320.py",
    "_base_/schedules/adamw_cosine_200e.py",
]
model = dict(backbone=dict(net=dict(type="mmpretrain.ResNet", depth=18)))
optim_wrapper = dict(optimizer=dict(lr=2e-4, weight_decay=1e-4))
