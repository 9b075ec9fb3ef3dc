"""Stops a training whose loss is no longer finite, before anything of that state is averaged or saved."""

import math
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from yolo_plugins.errors import UsageError
from yolo_plugins.registry import HOOKS


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Raises at the first iteration with a NaN or infinite loss term."""

    priority = "VERY_HIGH"  # before EMAHook and every hook that writes

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Looks at each logged loss, the terms before their sum.

        Raises:
            UsageError: Names the epoch, the iteration in it, and the term.
        """
        for term in sorted(outputs, key=lambda name: name == "loss"):
            value = outputs[term].item()
            if not math.isfinite(value):
                raise UsageError(
                    f"loss term {term!r} is {value} in epoch {runner.epoch + 1}, iteration {batch_idx + 1}: lower "
                    "optim_wrapper.optimizer.lr or check the labels; earlier checkpoints are sound"
                )
