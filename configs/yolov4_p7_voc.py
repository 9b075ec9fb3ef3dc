"""YOLOv4-P7 (286.4 M parameters) on PASCAL VOC 07+12, 384 px, 200 epochs from scratch: the study's protocol.

yolo-plugins train yolov4_p7_voc
"""

_base_ = [
    "_base_/models/yolov4_p7.py",
    "_base_/datasets/voc0712_320.py",
    "_base_/schedules/onecycle_200e.py",
]
img_size = 384  # a multiple of its largest stride, 128, which 320 is not
pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="yolo_plugins.Letterbox", img_size=img_size),
    dict(type="mmdet.LoadAnnotations", with_bbox=True),
    dict(type="yolo_plugins.PackEval"),
]
train_dataloader = dict(dataset=dict(img_size=img_size))
val_dataloader = test_dataloader = dict(dataset=dict(pipeline=pipeline))
