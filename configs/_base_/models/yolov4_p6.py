# YOLOv4-P6 for 20 classes (Scaled-YOLOv4, PyTorch release): P5 with one more stage, to stride 64. With four and more
# levels objectness weighs 1.4 times as much.
model = dict(
    _scope_="yolo_plugins",
    type="YOLODetector",
    backbone=dict(type="YOLOv4CSP", repeats=(1, 3, 15, 15, 7, 7), plain_first=False),
    neck=dict(type="YOLOv4CSPPAN", num_blocks=3),
    bbox_head=dict(
        type="YOLOAnchorHead",
        num_classes=20,
        anchors=[
            [(13, 17), (31, 25), (24, 51), (61, 45)],
            [(61, 45), (48, 102), (119, 96), (97, 189)],
            [(97, 189), (217, 184), (171, 384), (324, 451)],
            [(324, 451), (545, 357), (616, 618), (1024, 1024)],
        ],
        loss=dict(type="YOLOLoss", loss_obj=dict(weight=1.4), reference_size=None, balance=(4.0, 1.0, 0.4, 0.1)),
        class_prior_offset=0.99,
    ),
    # evaluation; for pictures to look at, yolo-plugins infer takes 0.25 and 0.45
    test_cfg=dict(score_thr=0.001, iou_threshold=0.65, multi_label=True, nms_pre=30000, max_per_img=300),
)
