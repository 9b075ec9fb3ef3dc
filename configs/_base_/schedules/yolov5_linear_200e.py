# YOLOv5 v6.1 to v7.0: straight line per epoch from 0.01 towards 0.0001, warm-up over 3 epochs.
_base_ = "yolov5_cosine_200e.py"
default_hooks = dict(param_scheduler=dict(schedule="linear", final=0.01))
