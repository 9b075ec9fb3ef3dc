# 64 pictures of PASCAL VOC at 320 px without augmentation, for training and for test: can a model learn them by heart?
train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="SeededSampler", shuffle=True),
    dataset=dict(
        _scope_="yolo_plugins",
        type="VOCDataset",
        data_root="data/VOCdevkit",
        splits=["VOC2007/train"],
        indices=64,
        img_size=320,
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="mmdet.LoadAnnotations", with_bbox=True),
            dict(type="MosaicAffine", prob=0.0, translate=0.0, scale=0.0),
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
        splits=["VOC2007/train"],
        indices=64,
        test_mode=True,
        pipeline=[
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
