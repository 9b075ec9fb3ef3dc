"""The study: YOLOv5 n, s, m and seven other backbones on PASCAL VOC 07+12, 320 px, 200 epochs, three seeds each.

yolo-plugins study study_voc --jobs 8 --gpus 1
"""

runs = dict(
    yolov5_inceptionv4_voc=[0, 1, 2],  # the costliest first: what ends last ends soon
    yolov5_densenet_voc=[0, 1, 2],
    yolov5_m_voc=[0, 1, 2],
    yolov5_repvgg_voc=[0, 1, 2],
    yolov5_resnet18_voc=[0, 1, 2],
    yolov5_ghostnet_voc=[0, 1, 2],
    yolov5_mobilenetv2_voc=[0, 1, 2],
    yolov5_mobilenetv3_voc=[0, 1, 2],
    yolov5_s_voc=[0, 1, 2],
    yolov5_n_voc=[0, 1, 2],
)
