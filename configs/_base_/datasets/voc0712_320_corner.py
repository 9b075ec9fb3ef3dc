# PASCAL VOC as in voc0712_320.py, for whole detectors of MMDetection: in evaluation the padding lies below and on the
# right of a picture, because they scale their boxes back and know of no offset.
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
        pipeline=[
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
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="yolo_plugins.Letterbox", img_size=320, centre=False),
            dict(type="mmdet.LoadAnnotations", with_bbox=True),
            dict(type="yolo_plugins.PackEval"),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="DetectionMetric", mode="area")
test_evaluator = val_evaluator
