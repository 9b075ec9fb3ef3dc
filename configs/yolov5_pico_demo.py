"""`make demo`'s detector at half the width of YOLOv5-n: the smallest of its three models, 0.46 M parameters.

python tools/make_synthetic_voc.py data/synthetic
python tools/train.py yolov5_pico_demo --cfg-options data_root=data/synthetic
"""

_base_ = "yolov5_n_demo.py"
model = dict(backbone=dict(widen_factor=0.125), neck=dict(widen_factor=0.125))
