"""Transforms of a sample's `results` dict: YOLOv5's training augmentation and its evaluation letterbox.

Each draws from `results["rng"]` only, so a sample is a function of (seed, epoch, index). mmdet and mmcv have the
rest; borrow it by scope (`mmdet.YOLOXHSVRandomAug`): the data set seeds the global generators for such transforms.
"""

from .hsv import HSVJitter
from .letterbox import Letterbox, letterbox
from .mixup import MixUp
from .mosaic_affine import MosaicAffine
from .pack_eval import PackEval
from .pack_train import PackTrain
from .random_flip import RandomFlip

__all__ = [
    "HSVJitter",
    "Letterbox",
    "MixUp",
    "MosaicAffine",
    "PackEval",
    "PackTrain",
    "RandomFlip",
    "letterbox",
]
