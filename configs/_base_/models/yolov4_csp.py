# YOLOv4-CSP for 20 classes (Scaled-YOLOv4, PyTorch release).
model = dict(
    _scope_="yolo_plugins",
    type="YOLODetector",
    backbone=dict(type="YOLOv4CSP", repeats=(1, 2, 8, 8, 4), plain_first=True),
    neck=dict(type="YOLOv4CSPPAN", num_blocks=2),
    bbox_head=dict(
        type="YOLOAnchorHead",
        num_classes=20,
        anchors=[
            [(12, 16), (19, 36), (40, 28)],
            [(36, 75), (76, 55), (72, 146)],
            [(142, 110), (192, 243), (459, 401)],
        ],
        loss=dict(type="YOLOLoss", reference_size=None, balance=(4.0, 1.0, 0.4)),
        class_prior_offset=0.99,
    ),
    # evaluation; for pictures to look at, yolo-plugins infer takes 0.25 and 0.45
    test_cfg=dict(score_thr=0.001, iou_threshold=0.65, multi_label=True, nms_pre=30000, max_per_img=300),
)
