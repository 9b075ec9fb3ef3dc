"""The study of `make demo`: three tiny models on the synthetic set, a few minutes on a CPU.

yolo-plugins study study_demo --jobs 3 --cfg-options data_root=data/synthetic
"""

runs = dict(yolov5_n_demo=[0], yolov5_mobilenetv4_demo=[0], yolov5_pico_demo=[0])
