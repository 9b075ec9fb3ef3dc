"""Trains each batch at a size of its own: the key `multi_scale` of a config."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.hooks import Hook
from mmengine.runner import Runner

from yolo_plugins.engine.unwrapped import unwrapped
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import HOOKS


@HOOKS.register_module()
class MultiScaleHook(Hook):
    """Tells the data preprocessor to which size it scales the batch that comes; validation keeps its own.

    The size is a function of (seed, epoch, iteration), so that all processes, and a resumed run, draw the same.

    Args:
        spread: Sides are uniform from (1 - this) to (1 + this) times those of the batch, rounded to multiples of the
            largest stride.
    """

    def __init__(self, spread: float) -> None:
        self._spread = spread

    def before_train(self, runner: Runner) -> None:
        """Looks whether the model can do it.

        Raises:
            UsageError: It has a data preprocessor of another kind.
        """
        preprocessor = getattr(unwrapped(runner.model), "data_preprocessor", None)
        if not hasattr(preprocessor, "train_hw"):
            raise UsageError(
                f"multi_scale={self._spread}: {type(preprocessor).__name__} cannot scale batches to a size that it is "
                "told; remove the key, or give the model data_preprocessor=dict(type='YOLODataPreprocessor')"
            )

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Draws the size."""
        model: Any = unwrapped(runner.model)
        key = (runner.seed, runner.epoch, batch_idx)
        height_width = data_batch["inputs"][0].shape[-2:]
        model.data_preprocessor.train_hw = drawn_hw(height_width, self._spread, max(model.backbone.out_strides), key)


def drawn_hw(input_hw: Sequence[int], spread: float, stride: int, key: tuple[int, int, int]) -> tuple[int, int]:
    """Height and width in pixels, multiples of a stride, that follow from a key: seed, epoch and iteration."""
    factor = np.random.default_rng(key).uniform(1 - spread, 1 + spread)
    height, width = (max(round(side * factor / stride), 1) * stride for side in input_hw)
    return height, width
