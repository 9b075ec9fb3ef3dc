"""YOLOv5-n, trained on from weights on a small data set: 320 px, 10 epochs, fixed norms.

python tools/train.py yolov5_n_finetune --weights yolov5n.pt --cfg-options data_root=DIR
"""

_base_ = [
    "_base_/models/yolov5.py",
    "_base_/datasets/voc0712_320_whole.py",
    "_base_/schedules/finetune_10e.py",
]
model = dict(
    norm_eval=True,
    backbone=dict(deepen_factor=0.33, widen_factor=0.25),
    neck=dict(deepen_factor=0.33, widen_factor=0.25),
)
