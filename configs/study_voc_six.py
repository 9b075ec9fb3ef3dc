"""The study on the six frequent classes of VOC's animal pictures: 13 models, 160 px, 40 epochs, bfloat16.

About ten hours of one CPU core that computes in bfloat16, five of two; the three costliest models are last.

Objects of the other 14 classes are background, in training and in evaluation: so the average precision of a class is
the one that it has where all 20 are trained and scored. With "ignore" a cat seen in a chair would not count as false.
Pictures are padded below and on the right, so that RTMDet, which knows of no offset, is tested on the same input.

yolo-plugins study study_voc_six --jobs 2
"""

runs = dict(
    yolov5_n_voc=[0, 1],
    yolov5_mobilenetv4_voc=[0, 1],
    yolov5_s_voc=[0, 1],
    rtmdet_tiny_voc=[0],
    yolov5_resnet18_voc=[0, 1],
    yolov5_mobilenetv2_voc=[0, 1],
    yolov5_repvgg_voc=[0],
    yolov5_ghostnet_voc=[0],
    yolov5_mobilenetv3_voc=[0],
    retinanet_resnet18_voc=[0],
    yolov5_m_voc=[0],
    yolov5_densenet_voc=[0],
    yolov5_inceptionv4_voc=[0],
)
options = [
    "data_root=data/voc_animals/VOCdevkit",
    "img_size=160",
    "train_cfg.max_epochs=40",
    "train_cfg.val_interval=4",
    "optim_wrapper.amp=True",
    "train_dataloader.num_workers=0",
    "train_dataloader.persistent_workers=False",
    "val_dataloader.num_workers=0",
    "val_dataloader.persistent_workers=False",
    "model.bbox_head.num_classes=6",
    *(
        f"{loader}_dataloader.dataset.{option}"
        for loader in ("train", "val", "test")
        for option in ("metainfo.classes=['cat', 'cow', 'dog', 'horse', 'sheep', 'person']", "others=background")
    ),
    *(f"{loader}_dataloader.dataset.pipeline.1.centre=False" for loader in ("val", "test")),
]
