# YOLOv4-P7 for 20 classes (Scaled-YOLOv4, PyTorch release): P6 with one more stage, to stride 128, and 1.25 times the
# width; objectness weighs 1.4 times as much, as in P6. Inputs are multiples of 128.
model = dict(
    _scope_="yolo_plugins",
    type="YOLODetector",
    backbone=dict(type="YOLOv4CSP", repeats=(1, 3, 15, 15, 7, 7, 7), plain_first=False, widen_factor=1.25),
    neck=dict(type="YOLOv4CSPPAN", num_blocks=3, widen_factor=1.25),
    bbox_head=dict(
        type="YOLOAnchorHead",
        num_classes=20,
        anchors=[
            [(13, 17), (22, 25), (27, 66), (55, 41)],
            [(57, 88), (112, 69), (69, 177), (136, 138)],
            [(136, 138), (287, 114), (134, 275), (268, 248)],
            [(268, 248), (232, 504), (445, 416), (640, 640)],
            [(812, 393), (477, 808), (1070, 908), (1408, 1408)],
        ],
        loss=dict(type="YOLOLoss", loss_obj=dict(weight=1.4), reference_size=None, balance=(4.0, 1.0, 0.5, 0.4, 0.1)),
        class_prior_offset=0.99,
    ),
    # evaluation; for pictures to look at, yolo-plugins infer takes 0.25 and 0.45
    test_cfg=dict(score_thr=0.001, iou_threshold=0.65, multi_label=True, nms_pre=30000, max_per_img=300),
)
