"""YOLOv5-m, trained on from weights on a small data set: 320 px, 10 epochs, fixed norms.

The recipe of yolov5_n_finetune, which was found with YOLOv5-n; not tried with this model.

yolo-plugins train yolov5_m_finetune --weights yolov5m.pt --data DIR
"""

_base_ = [
    "_base_/models/yolov5.py",
    "_base_/datasets/voc0712_320_whole.py",
    "_base_/schedules/finetune_10e.py",
]
model = dict(
    norm_eval=True,
    backbone=dict(deepen_factor=0.67, widen_factor=0.75),
    neck=dict(deepen_factor=0.67, widen_factor=0.75),
)
