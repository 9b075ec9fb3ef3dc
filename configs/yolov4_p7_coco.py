"""YOLOv4-P7 (287.6 M parameters) on COCO 2017, 1536 px, 300 epochs from scratch: the family's recipe.

python tools/train.py configs/yolov4_p7_coco.py
"""

_base_ = [
    "_base_/models/yolov4_p7.py",
    "_base_/datasets/coco_scaled_yolov4.py",
    "_base_/schedules/yolov4_cosine_300e.py",
]
img_size = 1536
train_dataloader = dict(batch_size=4)
model = dict(bbox_head=dict(num_classes=80))
