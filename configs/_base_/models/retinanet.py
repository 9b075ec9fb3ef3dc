# RetinaNet of MMDetection for 20 classes, on any backbone: a leaf names it in model.backbone.net. Three levels of the
# backbone and two coarser ones, strides 8 to 128; channels and strides are read off the backbone.
model = dict(
    _scope_="yolo_plugins",
    type="SingleStageDetector",
    backbone=dict(type="PyramidBackbone"),
    neck=dict(type="mmdet.FPN", out_channels=256, add_extra_convs="on_output", num_outs=5),
    bbox_head=dict(
        type="mmdet.RetinaHead",
        num_classes=20,
        stacked_convs=4,
        feat_channels=256,
        anchor_generator=dict(type="AnchorGenerator", octave_base_scale=4, scales_per_octave=3, ratios=[0.5, 1.0, 2.0]),
        loss_cls=dict(type="FocalLoss", use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0),
        loss_bbox=dict(type="L1Loss", loss_weight=1.0),
    ),
    train_cfg=dict(
        assigner=dict(type="MaxIoUAssigner", pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0, ignore_iof_thr=-1),
        sampler=dict(type="PseudoSampler"),
        allowed_border=-1,
        pos_weight=-1,
        debug=False,
    ),
    test_cfg=dict(
        nms_pre=1000, min_bbox_size=0, score_thr=0.001, nms=dict(type="nms", iou_threshold=0.5), max_per_img=300
    ),
)
