# COCO 2017 at 640 px: train on train2017 (118,287 pictures), test on val2017 (5,000). Augmentation: YOLOv5's
# "scratch-low". Pictures are decoded when they are needed: a cache of train2017 would take 106 GB.
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
            dict(type="MosaicAffine", prob=1.0, translate=0.1, scale=0.5),
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
