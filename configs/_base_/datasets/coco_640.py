# COCO 2017 at 640 px, otherwise as VOC: train on train2017 (118,287 pictures), test on val2017 (5,000). Pictures are
# decoded when they are needed: a cache of train2017 would take 106 GB.
_base_ = "voc0712_320.py"
train_dataloader = dict(
    batch_size=16,
    num_workers=8,
    dataset=dict(type="COCODataset", data_root="data/coco", splits=["train2017"], img_size=640, cache_images=False),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=8,
    dataset=dict(
        type="COCODataset",
        data_root="data/coco",
        splits=["val2017"],
        cache_images=False,
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="yolo_plugins.Letterbox", img_size=640),
            dict(type="mmdet.LoadAnnotations", with_bbox=True),
            dict(type="yolo_plugins.PackEval"),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(mode="coco101")
test_evaluator = val_evaluator
