# Pictures in VOC's layout at 160 px, without mosaic: for the synthetic set of the demo.
data_root = "data/VOCdevkit"
img_size = 160
pipeline = [
    dict(type="MosaicAffine", prob=0.0, scale=0.2),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackTrain"),
]

train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="SeededSampler", shuffle=True),
    collate_fn=dict(type="yolo_plugins.collate_detection"),
    dataset=dict(
        type="VOCDataset",
        splits=["VOC2007/train", "VOC2012/train"],
        pipeline=pipeline,
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
