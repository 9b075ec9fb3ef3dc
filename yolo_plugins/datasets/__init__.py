"""VOC data for detection: the data set, its image cache, the seeded sampler and the collate function."""

from .collate import collate_detection
from .samplers import SeededSampler
from .voc_dataset import VOCDataset

__all__ = ["SeededSampler", "VOCDataset", "collate_detection"]
