# YOLOv4-tiny for 20 classes, fine level first; both levels share the anchor (81, 82), and (10, 14) is not used. It is
# trained with YOLOv5's coder, which reaches the neighbour cells that the assigner assigns.
model = dict(
    _scope_="yolo_plugins",
    type="YOLODetector",
    backbone=dict(type="YOLOv4Tiny"),
    neck=dict(type="YOLOv4TinyFPN"),
    bbox_head=dict(
        type="YOLOAnchorHead",
        num_classes=20,
        anchors=[[(23, 27), (37, 58), (81, 82)], [(81, 82), (135, 169), (344, 319)]],
        assigner=dict(type="ShapeAssigner", both_sides=False),
        loss=dict(
            type="YOLOLoss",
            loss_obj=dict(weight=0.7),
            loss_cls=dict(weight=0.3),
            reference_size=None,
            balance=(1.0, 4.0),
        ),
        class_prior_offset=0.99,
    ),
    # evaluation; for pictures to look at, yolo-plugins infer takes 0.25 and 0.45
    test_cfg=dict(score_thr=0.001, iou_threshold=0.65, multi_label=True, nms_pre=30000, max_per_img=300),
)
