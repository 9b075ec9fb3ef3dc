# Any network under the neck and head of YOLOv5-s, so that only the backbone differs; a leaf names it in
# model.backbone.net.
_base_ = "yolov5.py"
model = dict(
    backbone=dict(_delete_=True, type="PyramidBackbone"),
    neck=dict(deepen_factor=0.33, widen_factor=0.50),
)
