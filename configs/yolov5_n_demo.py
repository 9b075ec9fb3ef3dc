"""YOLOv5-n on the synthetic set of `make demo`: 160 px, no mosaic, a minute or two on a CPU, AP50 above 0.5.

yolo-plugins make-synthetic-voc data/synthetic
yolo-plugins train yolov5_n_demo --cfg-options data_root=data/synthetic
"""

_base_ = [
    "_base_/models/yolov5.py",
    "_base_/datasets/voc_160_plain.py",
    "_base_/schedules/yolov5_linear_24e.py",
]
model = dict(
    backbone=dict(deepen_factor=0.33, widen_factor=0.25),
    neck=dict(deepen_factor=0.33, widen_factor=0.25),
)
