# PASCAL VOC at 320 px: train on VOC2007 train + VOC2012 train (8,218 pictures, 19,910 non-difficult objects), test on
# VOC2007 test (4,952 pictures). Augmentation: YOLOv5's "scratch-low". Every data set takes data_root and img_size from
# here unless it sets its own (`--cfg-options data_root=DIR img_size=416` changes all).
data_root = "data/VOCdevkit"
img_size = 320

train_dataloader = dict(
    batch_size=32,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="SeededSampler", shuffle=True),
    collate_fn=dict(type="yolo_plugins.collate_detection"),
    dataset=dict(
        type="VOCDataset",
        splits=["VOC2007/train", "VOC2012/train"],
        pipeline=[
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
    collate_fn=dict(type="yolo_plugins.collate_detection"),
    dataset=dict(
        type="VOCDataset",
        splits=["VOC2007/test"],
        test_mode=True,
        pipeline=[dict(type="Letterbox"), dict(type="PackEval")],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="DetectionMetric", mode="area")
test_evaluator = val_evaluator
