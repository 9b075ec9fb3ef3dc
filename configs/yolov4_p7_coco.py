"""YOLOv4-P7 (287.6 M parameters) on COCO 2017, 1536 px, 300 epochs from scratch: the family's recipe.

yolo-plugins train yolov4_p7_coco
"""

_base_ = [
    "_base_/models/yolov4_p7.py",
    "_base_/datasets/coco_scaled_yolov4.py",
    "_base_/schedules/yolov4_cosine_300e.py",
]
img_size = 1536
pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="yolo_plugins.Letterbox", img_size=img_size),
    dict(type="mmdet.LoadAnnotations", with_bbox=True),
    dict(type="yolo_plugins.PackEval"),
]
train_dataloader = dict(batch_size=4, dataset=dict(img_size=img_size))
val_dataloader = test_dataloader = dict(dataset=dict(pipeline=pipeline))
model = dict(bbox_head=dict(num_classes=80))
