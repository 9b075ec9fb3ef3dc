"""YOLOv5-n on the synthetic set of `make demo`: 160 px, no mosaic, a minute or two on a CPU, AP50 above 0.5.

python tools/make_synthetic_voc.py data/synthetic
python tools/train.py yolov5_n_demo --cfg-options data_root=data/synthetic
"""

_base_ = "yolov5_n_voc_linear.py"
pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="mmdet.LoadAnnotations", with_bbox=True),
    dict(type="MosaicAffine", prob=0.0, scale=0.2),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackTrain"),
]
train_dataloader = dict(batch_size=16, dataset=dict(img_size=160, pipeline=pipeline))
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="yolo_plugins.Letterbox", img_size=160),
    dict(type="mmdet.LoadAnnotations", with_bbox=True),
    dict(type="yolo_plugins.PackEval"),
]
val_dataloader = test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
train_cfg = dict(max_epochs=24)
default_hooks = dict(param_scheduler=dict(nominal_batch_size=16))
