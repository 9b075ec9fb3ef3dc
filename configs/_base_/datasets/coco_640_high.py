# COCO 2017 with the stronger augmentation of YOLOv5's larger models ("scratch-med" and "scratch-high", without the
# copying of cut-out objects).
_base_ = "coco_640.py"
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="mmdet.LoadAnnotations", with_bbox=True),
            dict(type="MosaicAffine", prob=1.0, translate=0.1, scale=0.9),
            dict(type="MixUp", prob=0.1, alpha=32.0),
            dict(type="HSVJitter", hue=0.015, saturation=0.7, value=0.4),
            dict(type="RandomFlip", prob=0.5),
            dict(type="PackTrain"),
        ]
    )
)
