# Any network under the neck and head of YOLOv5-s, so that only the backbone differs; a leaf names it in
# model.backbone.net.
model = dict(
    _scope_="yolo_plugins",
    type="YOLODetector",
    backbone=dict(type="PyramidBackbone"),
    neck=dict(type="YOLOv5PAFPN", deepen_factor=0.33, widen_factor=0.50),
    bbox_head=dict(type="YOLOAnchorHead", num_classes=20),
    # evaluation; for pictures to look at, yolo-plugins infer takes 0.25 and 0.45
    test_cfg=dict(score_thr=0.001, iou_threshold=0.6, multi_label=True, nms_pre=30000, max_per_img=300),
)
