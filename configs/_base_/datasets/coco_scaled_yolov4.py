# COCO 2017 with the augmentation of Scaled-YOLOv4: only the centre of the mosaic moves, not the picture as a whole.
_base_ = "coco_640.py"
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="mmdet.LoadAnnotations", with_bbox=True),
            dict(type="MosaicAffine", prob=1.0, translate=0.0, scale=0.5),
            dict(type="HSVJitter", hue=0.015, saturation=0.7, value=0.4),
            dict(type="RandomFlip", prob=0.5),
            dict(type="PackTrain"),
        ]
    )
)
