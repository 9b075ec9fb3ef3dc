# COCO 2017 with the augmentation of Scaled-YOLOv4: only the centre of the mosaic moves, not the picture as a whole.
data_root = "data/coco"
img_size = 640

train_dataloader = dict(
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type="SeededSampler", shuffle=True),
    collate_fn=dict(type="yolo_plugins.collate_detection"),
    dataset=dict(
        type="COCODataset",
        splits=["train2017"],
        cache_images=False,
        pipeline=[
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
    collate_fn=dict(type="yolo_plugins.collate_detection"),
    dataset=dict(
        type="COCODataset",
        splits=["val2017"],
        cache_images=False,
        test_mode=True,
        pipeline=[dict(type="Letterbox"), dict(type="PackEval")],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="DetectionMetric", mode="coco101")
test_evaluator = val_evaluator
