# PASCAL VOC at 320 px: train on VOC2007 train + VOC2012 train (8,218 pictures, 19,910 non-difficult objects), test on
# VOC2007 test (4,952 pictures). Augmentation: YOLOv5's "scratch-low". `--cfg-options data_root=DIR img_size=416` of our
# tools, or these two names in a config, are for every data set.
train_dataloader = dict(
    batch_size=32,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="SeededSampler", shuffle=True),
    dataset=dict(
        _scope_="yolo_plugins",
        type="VOCDataset",
        data_root="data/VOCdevkit",
        splits=["VOC2007/train", "VOC2012/train"],
        img_size=320,
        pipeline=[  # our data sets load by themselves; the first two steps are for MMDetection's tools
            dict(type="LoadImageFromFile"),
            dict(type="mmdet.LoadAnnotations", with_bbox=True),
            dict(type="MosaicAffine", prob=1.0, translate=0.1, scale=0.5),
            dict(type="HSVJitter", hue=0.015, saturation=0.7, value=0.4),
            dict(type="RandomFlip", prob=0.5),
            dict(type="PackTrain"),
        ],
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        _scope_="yolo_plugins",
        type="VOCDataset",
        data_root="data/VOCdevkit",
        splits=["VOC2007/test"],
        test_mode=True,
        pipeline=[  # scoped names: MMDetection's inference builds these steps by itself
            dict(type="LoadImageFromFile"),
            dict(type="yolo_plugins.Letterbox", img_size=320),
            dict(type="mmdet.LoadAnnotations", with_bbox=True),
            dict(type="yolo_plugins.PackEval"),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="DetectionMetric", mode="area")
test_evaluator = val_evaluator
