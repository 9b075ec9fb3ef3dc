# PASCAL VOC as in voc0712_320.py, for whole detectors of MMDetection: in evaluation the padding lies below and on the
# right of a picture, because they scale their boxes back and know of no offset.
_base_ = "voc0712_320.py"
val_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="yolo_plugins.Letterbox", img_size=320, centre=False),
            dict(type="mmdet.LoadAnnotations", with_bbox=True),
            dict(type="yolo_plugins.PackEval"),
        ]
    )
)
test_dataloader = val_dataloader
