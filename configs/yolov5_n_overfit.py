"""YOLOv5-n on 64 pictures without augmentation, tested on the same: AP50 comes near 1, or a part is wrong.

python tools/train.py configs/yolov5_n_overfit.py
"""

_base_ = [
    "_base_/models/yolov5.py",
    "_base_/datasets/voc0712_320.py",
    "_base_/schedules/yolov5_linear_200e.py",
]
model = dict(backbone=dict(deepen_factor=0.33, widen_factor=0.25), neck=dict(deepen_factor=0.33, widen_factor=0.25))
splits = ["VOC2007/train"]
pipeline = [dict(type="MosaicAffine", prob=0.0, translate=0.0, scale=0.0), dict(type="PackTrain")]
train_dataloader = dict(batch_size=16, dataset=dict(splits=splits, indices=64, pipeline=pipeline))
val_dataloader = dict(dataset=dict(splits=splits, indices=64))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=300, val_interval=10)
default_hooks = dict(param_scheduler=dict(nominal_batch_size=16))
