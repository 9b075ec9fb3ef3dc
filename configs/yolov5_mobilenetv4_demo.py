"""`make demo`'s detector on MobileNetV4-conv-small x0.5 of timm: the middle of its three models, 1.1 M parameters.

python tools/make_synthetic_voc.py data/synthetic
python tools/train.py yolov5_mobilenetv4_demo --cfg-options data_root=data/synthetic
"""

_base_ = "yolov5_n_demo.py"
model = dict(
    backbone=dict(
        _delete_=True, type="PyramidBackbone", net=dict(type="timm", model_name="mobilenetv4_conv_small_050")
    ),
)
