"""YOLOv5-m (21.2 M parameters) on COCO 2017, 640 px, 300 epochs from scratch: the release's recipe for larger models.

yolo-plugins train yolov5_m_coco
"""

_base_ = [
    "_base_/models/yolov5.py",
    "_base_/datasets/coco_640_high.py",
    "_base_/schedules/yolov5_linear_300e.py",
]
model = dict(
    backbone=dict(deepen_factor=0.67, widen_factor=0.75),
    neck=dict(deepen_factor=0.67, widen_factor=0.75),
    bbox_head=dict(num_classes=80, loss=dict(type="YOLOLoss", loss_obj=dict(weight=0.7), loss_cls=dict(weight=0.3))),
)
default_hooks = dict(param_scheduler=dict(final=0.1))
