"""The scale on which laws are straight: the logit of a score, which has two ends, the logarithm of all else."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from yolo_plugins.study.laws.power_law import Array

_FAR = 500.0  # beyond it the values are too large for a float


def to_line(values: ArrayLike, bounded: bool) -> Array:
    """Values above 0, and below 1 where they are bounded, on the line."""
    values = np.asarray(values, float)
    return np.asarray(special.logit(values) if bounded else np.log(values))


def from_line(line: ArrayLike, bounded: bool) -> Array:
    """The values of places on the line."""
    line = np.clip(np.asarray(line, float), -_FAR, _FAR)
    return np.asarray(special.expit(line) if bounded else np.exp(line))
