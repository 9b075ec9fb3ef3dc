# Neck and head of YOLOX-tiny of MMDetection for 20 classes, on any backbone with strides 8, 16, 32: a leaf names it in
# model.backbone.net.
norm_cfg = dict(type="BN", momentum=0.03, eps=0.001)
model = dict(
    _scope_="yolo_plugins",
    type="SingleStageDetector",
    backbone=dict(type="PyramidBackbone"),
    neck=dict(
        type="mmdet.YOLOXPAFPN", out_channels=96, num_csp_blocks=1, norm_cfg=norm_cfg, act_cfg=dict(type="Swish")
    ),
    bbox_head=dict(
        type="mmdet.YOLOXHead",
        num_classes=20,
        feat_channels=96,
        stacked_convs=2,
        norm_cfg=norm_cfg,
        act_cfg=dict(type="Swish"),
        loss_cls=dict(type="CrossEntropyLoss", use_sigmoid=True, reduction="sum", loss_weight=1.0),
        loss_bbox=dict(type="IoULoss", mode="square", eps=1e-16, reduction="sum", loss_weight=5.0),
        loss_obj=dict(type="CrossEntropyLoss", use_sigmoid=True, reduction="sum", loss_weight=1.0),
        loss_l1=dict(type="L1Loss", reduction="sum", loss_weight=1.0),
    ),
    train_cfg=dict(assigner=dict(type="SimOTAAssigner", center_radius=2.5)),
    test_cfg=dict(score_thr=0.001, nms=dict(type="nms", iou_threshold=0.65), max_per_img=300),
)
