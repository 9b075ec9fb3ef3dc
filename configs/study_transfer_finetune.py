"""As study_transfer with load_from=yolov5n.pt, but by the fine-tuning recipe: fixed norms, small steps, no mosaic.

yolo-plugins study study_transfer_finetune --cfg-options load_from=yolov5n.pt train_dataloader.dataset.share=0.25
"""

_base_ = "study_voc_six.py"
runs = dict(_delete_=True, yolov5_n_finetune=[0, 1, 2])
