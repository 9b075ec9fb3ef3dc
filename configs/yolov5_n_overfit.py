"""YOLOv5-n on 64 pictures without augmentation, tested on the same: AP50 comes near 1, or a part is wrong.

python tools/train.py configs/yolov5_n_overfit.py
"""

_base_ = "yolov5_n_voc_linear.py"
splits = ["VOC2007/train"]
pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="mmdet.LoadAnnotations", with_bbox=True),
    dict(type="MosaicAffine", prob=0.0, translate=0.0, scale=0.0),
    dict(type="PackTrain"),
]
train_dataloader = dict(batch_size=16, dataset=dict(splits=splits, indices=64, pipeline=pipeline))
val_dataloader = dict(dataset=dict(splits=splits, indices=64))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=300, val_interval=10)
default_hooks = dict(param_scheduler=dict(nominal_batch_size=16))
