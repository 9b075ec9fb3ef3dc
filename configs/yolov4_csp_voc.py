"""YOLOv4-CSP (52.6 M parameters) on PASCAL VOC 07+12, 320 px, 200 epochs from scratch: the study's protocol.

yolo-plugins train yolov4_csp_voc
"""

_base_ = [
    "_base_/models/yolov4_csp.py",
    "_base_/datasets/voc0712_320.py",
    "_base_/schedules/onecycle_200e.py",
]
