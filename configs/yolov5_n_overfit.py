"""YOLOv5-n on 64 pictures without augmentation, tested on the same: AP50 comes near 1, or a part is wrong.

yolo-plugins train yolov5_n_overfit
"""

_base_ = [
    "_base_/models/yolov5.py",
    "_base_/datasets/voc_320_first64.py",
    "_base_/schedules/yolov5_linear_200e.py",
]
model = dict(
    backbone=dict(deepen_factor=0.33, widen_factor=0.25),
    neck=dict(deepen_factor=0.33, widen_factor=0.25),
)
train_cfg = dict(max_epochs=300, val_interval=10)
default_hooks = dict(param_scheduler=dict(nominal_batch_size=16))
