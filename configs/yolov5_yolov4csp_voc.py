"""YOLOv5 on the backbone of YOLOv4-CSP at half its width; neck and head of YOLOv5-s, VOC 07+12, 320 px, 200 epochs.

python tools/train.py configs/yolov5_yolov4csp_voc.py
"""

_base_ = "yolov5_s_voc.py"
model = dict(
    backbone=dict(_delete_=True, type="YOLOv4CSP", repeats=(1, 2, 8, 8, 4), plain_first=True, widen_factor=0.5),
)
