"""YOLOv4-tiny (6.1 M parameters) on COCO 2017, 416 px, 600 epochs from scratch: the family's recipe.

yolo-plugins train yolov4_tiny_coco
"""

_base_ = [
    "_base_/models/yolov4_tiny.py",
    "_base_/datasets/coco_scaled_yolov4.py",
    "_base_/schedules/yolov4_cosine_600e.py",
]
pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="yolo_plugins.Letterbox", img_size=416),
    dict(type="mmdet.LoadAnnotations", with_bbox=True),
    dict(type="yolo_plugins.PackEval"),
]
train_dataloader = dict(dataset=dict(img_size=416))
val_dataloader = test_dataloader = dict(dataset=dict(pipeline=pipeline))
model = dict(bbox_head=dict(num_classes=80))
