# COCO 2017 with the augmentation of Scaled-YOLOv4: only the centre of the mosaic moves, not the picture as a whole.
train_dataloader = dict(
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type="SeededSampler", shuffle=True),
    dataset=dict(
        _scope_="yolo_plugins",
        type="COCODataset",
        data_root="data/coco",
        splits=["train2017"],
        cache_images=False,
        img_size=640,
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="mmdet.LoadAnnotations", with_bbox=True),
            dict(type="MosaicAffine", prob=1.0, translate=0.0, scale=0.5),
            dict(type="HSVJitter", hue=0.015, saturation=0.7, value=0.4),
            dict(type="RandomFlip", prob=0.5),
            dict(type="PackTrain"),
        ],
    ),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        _scope_="yolo_plugins",
        type="COCODataset",
        data_root="data/coco",
        splits=["val2017"],
        cache_images=False,
        test_mode=True,
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="yolo_plugins.Letterbox", img_size=640),
            dict(type="mmdet.LoadAnnotations", with_bbox=True),
            dict(type="yolo_plugins.PackEval"),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="DetectionMetric", mode="coco101")
test_evaluator = val_evaluator
