"""What weights are worth in pictures: YOLOv5-n on a share of the pictures of study_voc_six, by its protocol.

A study for each share, 0.125, 0.25, 0.5 and 1, with and without load_from; `frontier budget` fits its law to four.

yolo-plugins study study_transfer --out work_dirs/scratch/0.25 --cfg-options train_dataloader.dataset.share=0.25
"""

_base_ = "study_voc_six.py"
runs = dict(_delete_=True, yolov5_n_voc=[0, 1, 2])
