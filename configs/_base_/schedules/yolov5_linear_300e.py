# YOLOv5 v6.1 to v7.0 on COCO: 300 epochs.
_base_ = "yolov5_linear_200e.py"
train_cfg = dict(max_epochs=300)
