"""YOLOv4-CSP (52.9 M parameters) on COCO 2017, 512 px (tested at 640), 300 epochs from scratch: the family's recipe.

yolo-plugins train yolov4_csp_coco
"""

_base_ = [
    "_base_/models/yolov4_csp.py",
    "_base_/datasets/coco_scaled_yolov4.py",
    "_base_/schedules/yolov4_cosine_300e.py",
]
train_dataloader = dict(dataset=dict(img_size=512))
model = dict(bbox_head=dict(num_classes=80))
