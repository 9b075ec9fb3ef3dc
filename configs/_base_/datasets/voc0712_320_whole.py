# PASCAL VOC at 320 px as in voc0712_320.py, but without the mosaic, which shows objects at half the size that they are
# tested at: zoom, shift, colour and flip of whole pictures.
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
            dict(type="MosaicAffine", prob=0.0, translate=0.1, scale=0.5),
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
