# YOLOv4-P7: P6 with one more stage, to stride 128, and 1.25 times the width. Inputs are multiples of 128.
_base_ = "yolov4_p6.py"
model = dict(
    backbone=dict(repeats=(1, 3, 15, 15, 7, 7, 7), widen_factor=1.25),
    neck=dict(widen_factor=1.25),
    bbox_head=dict(
        anchors=[
            [(13, 17), (22, 25), (27, 66), (55, 41)],
            [(57, 88), (112, 69), (69, 177), (136, 138)],
            [(136, 138), (287, 114), (134, 275), (268, 248)],
            [(268, 248), (232, 504), (445, 416), (640, 640)],
            [(812, 393), (477, 808), (1070, 908), (1408, 1408)],
        ],
        loss=dict(balance=(4.0, 1.0, 0.5, 0.4, 0.1)),
    ),
)
