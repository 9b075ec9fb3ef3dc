# YOLOv4-P5: CSP in every stage, deeper, four anchors a level.
_base_ = "yolov4_csp.py"
model = dict(
    backbone=dict(repeats=(1, 3, 15, 15, 7), plain_first=False),
    neck=dict(num_blocks=3),
    bbox_head=dict(
        anchors=[
            [(13, 17), (31, 25), (24, 51), (61, 45)],
            [(48, 102), (119, 96), (97, 189), (217, 184)],
            [(171, 384), (324, 451), (616, 618), (800, 800)],
        ],
    ),
)
