"""`make demo`'s detector on PP-LCNet x0.35 of timm: the smallest of its three models, 0.87 M parameters.

python tools/make_synthetic_voc.py data/synthetic
python tools/train.py yolov5_lcnet_demo --cfg-options data_root=data/synthetic
"""

_base_ = "yolov5_n_demo.py"
model = dict(
    backbone=dict(_delete_=True, type="PyramidBackbone", net=dict(type="timm", model_name="lcnet_035")),
)
