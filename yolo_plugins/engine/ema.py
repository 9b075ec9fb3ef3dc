"""Exponential moving average of the weights over optimizer steps, as YOLOv5 keeps it.

What differs from MMEngine's: updates happen when the optimizer steps and not each iteration, the decay ramps up,
the first update averages like every other, and the float buffers are averaged with the weights.
"""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import torch
from mmengine.dist import broadcast
from mmengine.hooks import EMAHook
from mmengine.model import BaseAveragedModel
from mmengine.runner import Runner
from mmengine.runner.checkpoint import weights_to_cpu
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from yolo_plugins.registry import HOOKS, MODELS


def ema_decay(update: int, decay: float = 0.9999, ramp: float = 2000.0) -> float:
    """Share of the old average that update number `update` (counted from 1) keeps."""
    return decay * (1 - math.exp(-update / ramp))


@MODELS.register_module()
class RampedEMA(BaseAveragedModel):
    """Average of parameters and float buffers with the decay of `ema_decay`; other buffers are copied.

    Args:
        model: The model to follow; the average starts as a copy of it.
        decay: Largest decay.
        ramp: Updates after which the decay has reached 1 - 1/e of the largest.
    """

    def __init__(self, model: nn.Module, decay: float = 0.9999, ramp: float = 2000.0) -> None:
        super().__init__(model, update_buffers=True)
        self._decay, self._ramp = decay, ramp

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Moves the average towards the model by one update."""
        self.steps += 1
        floats, others = _split(_tensors(self.module), _tensors(model))
        get_ema_multi_avg_fn(ema_decay(int(self.steps), self._decay, self._ramp))(*floats, None)
        for average, source in zip(*others, strict=True):
            average.copy_(source)

    @torch.no_grad()
    def restart(self, model: nn.Module) -> None:
        """Makes the average a copy of the model again."""
        for average, source in zip(_tensors(self.module), _tensors(model), strict=True):
            average.copy_(source)


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    """Parameters and buffers, a shared one once, in an order that two copies of a model have in common."""
    return itertools.chain(model.parameters(), model.buffers())


def _split(averages: Iterator[Tensor], sources: Iterator[Tensor]) -> tuple[tuple[list, list], tuple[list, list]]:
    """((float averages, their sources), (other averages, their sources))."""
    floats: tuple[list, list] = ([], [])
    others: tuple[list, list] = ([], [])
    for average, source in zip(averages, sources, strict=True):
        pair = floats if average.is_floating_point() else others
        pair[0].append(average)
        pair[1].append(source)
    return floats, others


@HOOKS.register_module()
class StepEMAHook(EMAHook):
    """Updates the average after each optimizer step, evaluates with it, and saves it as the checkpoint's weights.

    Needs `YOLOOptimWrapper`, which tells whether an iteration stepped.

    Args:
        decay: Largest decay.
        ramp: Updates after which the decay has reached 1 - 1/e of the largest.
    """

    def __init__(self, decay: float = 0.9999, ramp: float = 2000.0) -> None:
        super().__init__(ema_type="yolo_plugins.RampedEMA", strict_load=True, decay=decay, ramp=ramp)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Loads the average; buffers that no checkpoint holds, such as anchors, become those of the model."""
        super().after_load_checkpoint(runner, checkpoint)
        stored, averages = self.src_model.state_dict(), dict(self.ema_model.module.named_buffers())
        for name, source in self.src_model.named_buffers():
            if name not in stored:
                averages[name].copy_(source)

    def before_train(self, runner: Runner) -> None:
        """Starts from the weights as initialised or loaded: the copy of `before_run` is older than they are."""
        if runner.iter == 0:
            self.ema_model.restart(self.src_model)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Updates the average where the iteration ended in an optimizer step."""
        if runner.optim_wrapper.stepped:
            self.ema_model.update_parameters(self.src_model)

    def after_train_epoch(self, runner: Runner) -> None:
        """Gives every rank the averaged statistics of rank 0, which are those that are evaluated and saved."""
        for buffer in self.ema_model.module.buffers():
            broadcast(buffer)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """`state_dict` becomes the average, `ema_state_dict` holds the weights in training."""
        super().before_save_checkpoint(runner, checkpoint)
        checkpoint["state_dict"] = weights_to_cpu(checkpoint["state_dict"])
