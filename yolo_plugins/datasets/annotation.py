"""What a data set says about one picture, whatever the format of its files."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Annotation:
    """The objects of one picture.

    Attributes:
        filename: Name of the picture's file.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
        bboxes: (n, 4) float32 xyxy, 0-based continuous pixels within [0, width] x [0, height].
        labels: (n,) int64 index into the classes.
        difficult: (n,) bool, True where scoring ignores the object: VOC's difficult ones, COCO's crowds.
    """

    filename: str
    width: int
    height: int
    bboxes: np.ndarray
    labels: np.ndarray
    difficult: np.ndarray
