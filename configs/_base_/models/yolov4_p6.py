# YOLOv4-P6: P5 with one more stage, to stride 64. With four and more levels objectness weighs 1.4 times as much.
_base_ = "yolov4_p5.py"
model = dict(
    backbone=dict(repeats=(1, 3, 15, 15, 7, 7)),
    bbox_head=dict(
        anchors=[
            [(13, 17), (31, 25), (24, 51), (61, 45)],
            [(61, 45), (48, 102), (119, 96), (97, 189)],
            [(97, 189), (217, 184), (171, 384), (324, 451)],
            [(324, 451), (545, 357), (616, 618), (1024, 1024)],
        ],
        loss=dict(obj_gain=1.4, balance=(4.0, 1.0, 0.4, 0.1)),
    ),
)
