"""The study in two hours of two CPU cores: pictures of VOC with animals, 160 px, 10 epochs, bfloat16.

yolo-plugins study study_voc_animals --jobs 2
"""

_base_ = "study_voc.py"
runs = dict(
    yolov5_inceptionv4_voc=[0],
    yolov5_densenet_voc=[0],
    yolov5_m_voc=[0],
    yolov5_repvgg_voc=[0],
    yolov5_resnet18_voc=[0],
    yolov5_ghostnet_voc=[0, 1],
    yolov5_mobilenetv2_voc=[0, 1],
    yolov5_mobilenetv3_voc=[0],
    yolov5_s_voc=[0, 1],
    yolov5_n_voc=[0, 1],
    yolov5_efficientnet_voc=[0],
    yolov5_mobilenetv4_voc=[0, 1],
)
options = [
    "data_root=data/voc_animals/VOCdevkit",
    "img_size=160",
    "train_cfg.max_epochs=10",
    "train_cfg.val_interval=2",
    "optim_wrapper.amp=True",
    "train_dataloader.num_workers=1",
    "val_dataloader.num_workers=0",
]
