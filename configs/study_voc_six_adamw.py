"""The detectors of MMDetection in study_voc_six by AdamW, as the SGD of its protocol is not for them.

yolo-plugins study study_voc_six_adamw
"""

_base_ = "study_voc_six.py"
runs = dict(_delete_=True, rtmdet_tiny_voc_adamw=[0], retinanet_resnet18_voc_adamw=[0])
