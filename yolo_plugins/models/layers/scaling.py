"""Width and depth scaling of the YOLO families."""

import math


def scale_channels(channels: int, widen_factor: float, divisor: int = 8) -> int:
    """Channels at a width: `channels * widen_factor`, rounded up to a multiple of the divisor."""
    return math.ceil(channels * widen_factor / divisor) * divisor


def scale_depth(repeats: int, deepen_factor: float) -> int:
    """Repeats at a depth, at least 1; a single block stays single, halves round to even as Python's `round` does."""
    return max(round(repeats * deepen_factor), 1) if repeats > 1 else repeats
