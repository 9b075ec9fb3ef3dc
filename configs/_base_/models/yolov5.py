# YOLOv5 v6.0 to v7.0 for 20 classes; a leaf sets the scale. No channel or stride is typed: the detector reads them
# off the backbone and the neck.
model = dict(
    _scope_="yolo_plugins",
    type="YOLODetector",
    backbone=dict(type="YOLOv5CSP"),
    neck=dict(type="YOLOv5PAFPN"),
    bbox_head=dict(type="YOLOAnchorHead", num_classes=20),
    # evaluation; for pictures to look at, yolo-plugins infer takes 0.25 and 0.45
    test_cfg=dict(score_thr=0.001, iou_threshold=0.6, multi_label=True, nms_pre=30000, max_per_img=300),
)
