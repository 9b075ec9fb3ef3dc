"""Optimizer steps as YOLOv5 takes them: summed gradients, clipping, and mixed precision on CUDA and on CPU."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from yolo_plugins.errors import UsageError
from yolo_plugins.registry import OPTIM_WRAPPERS

_AMP_DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}


@OPTIM_WRAPPERS.register_module()
class YOLOOptimWrapper(OptimWrapper):
    """Sums gradients over `accumulate` iterations, then clips and steps.

    The loss is not divided by the number of iterations, because it already carries the factor batch size. The count
    of iterations runs on across epochs; what is pending at the end of the training is dropped.

    Attributes:
        accumulate: Iterations that make a step; `ScheduleHook` sets it.
        stepped: Whether the last `update_params` took a step (also one that the gradient scaler skipped).

    Args:
        optimizer: The optimizer to step.
        clip_grad: Options of `torch.nn.utils.clip_grad_norm_`, such as `dict(max_norm=10.0)`; None for no clipping.
        amp: Mixed precision: False; True for the device's usual type (float16 with a gradient scaler on CUDA,
            bfloat16 on CPU); or `float16` or `bfloat16` by name. A CPU without bfloat16 instructions imitates it,
            eight times as slowly as it trains in float32; a warning says so.

    Raises:
        UsageError: `amp` is neither, or float16 off CUDA.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, clip_grad: dict | None = None, amp: bool | str = False
    ) -> None:
        super().__init__(optimizer, clip_grad=clip_grad)
        self.base_param_settings = None  # MMEngine's book-keeping for its own schedulers
        self.accumulate = 1
        self.stepped = False
        self._pending: float = 0  # iterations whose gradients wait for a step
        self._device = next(p.device.type for group in optimizer.param_groups for p in group["params"])
        self._dtype = _amp_dtype(amp, self._device)
        self._scaler = torch.amp.GradScaler("cuda", enabled=self._dtype == torch.float16)

    @property
    def precision(self) -> str:
        """Type in which the forward pass computes: `float32`, or that of the mixed precision."""
        return str(self._dtype or torch.float32).removeprefix("torch.")

    def update_params(self, loss: Tensor, step_kwargs: dict | None = None, zero_kwargs: dict | None = None) -> None:
        """Back-propagates a scalar loss and, when `accumulate` iterations are together, steps and clears."""
        self.backward(loss)
        self.stepped = self.should_update()
        if self.stepped:
            self.step(**(step_kwargs or {}))
            self.zero_grad(**(zero_kwargs or {}))
            self._pending = 0

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Adds the gradients of the (scaled) loss to those that are pending."""
        super().backward(self._scaler.scale(loss), **kwargs)
        self._pending += 1

    def step(self, **kwargs: Any) -> None:
        """Clips the unscaled gradients and updates the parameters."""
        if self.clip_grad_kwargs:
            self._scaler.unscale_(self.optimizer)
            self._clip_grad()
        self._scaler.step(self.optimizer, **kwargs)
        self._scaler.update()

    def should_update(self) -> bool:
        """Whether enough iterations have been summed since the last step."""
        return self._pending >= self.accumulate

    def should_sync(self) -> bool:
        """Whether the coming backward pass ends in a step, so that ranks must exchange gradients."""
        return self._pending + 1 >= self.accumulate

    def initialize_count_status(self, model: nn.Module, init_counts: int, max_counts: int) -> None:
        """Nothing to initialise: the only count is that of the pending iterations, and it is in the checkpoint."""

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Forward pass of a training iteration: autocast, and no gradient exchange where no step follows."""
        autocast = torch.autocast(self._device, self._dtype, enabled=self._dtype is not None)
        with super().optim_context(model), autocast:
            yield

    def average_pending(self) -> None:
        """Makes the pending gradients equal on all ranks, so that rank 0's checkpoint speaks for all of them.

        The next exchange averages them once more with the gradients that are added until then, which gives the same
        sum. Every rank has to call it.
        """
        if self._pending:
            for gradient in self._gradients():
                if gradient is not None:
                    all_reduce(gradient, op="mean")

    def rescale_pending(self, factor: float) -> None:
        """Counts what is pending as `factor` times as many iterations, where an iteration has other images than it had.

        The images decide when a step is due, and the gradients are sums over them.
        """
        self._pending *= factor

    def state_dict(self) -> dict:
        """The optimizer's state, the gradient scaler's, and the pending gradients with their count."""
        state = super().state_dict()
        state["loss_scaler"] = self._scaler.state_dict()
        state["pending"] = {"count": self._pending, "gradients": self._gradients() if self._pending else []}
        return state

    def load_state_dict(self, state_dict: dict) -> None:
        """Restores what `state_dict` returned, also in the middle of an accumulation.

        Raises:
            ValueError: It is the state of another optimizer, or of other parameters.
        """
        state = dict(state_dict)
        pending, scaler = state.pop("pending"), state.pop("loss_scaler")
        self._check_options(state["param_groups"])
        super().load_state_dict(state)
        self._check_shapes()
        if scaler:
            self._scaler.load_state_dict(scaler)
        if type(pending["count"]) not in (int, float) or pending["count"] < 0:
            raise ValueError(f"{pending['count']!r} iterations with pending gradients")
        self._pending = pending["count"]
        gradients = pending["gradients"] or [None] * len(self._parameters())
        for parameter, gradient in zip(self._parameters(), gradients, strict=True):
            parameter.grad = None if gradient is None else gradient.to(parameter, copy=True)

    def _check_options(self, groups: list[dict]) -> None:
        """Refuses groups without the options of this optimizer, which would be missed at the first step."""
        for number, (own, loaded) in enumerate(zip(self.optimizer.param_groups, groups, strict=False)):
            if own.keys() != loaded.keys():
                raise ValueError(f"parameter group {number} has {', '.join(loaded)} in place of {', '.join(own)}")

    def _check_shapes(self) -> None:
        for parameter, state in self.optimizer.state.items():
            for name, value in state.items():
                if torch.is_tensor(value) and value.ndim and value.shape != parameter.shape:
                    raise ValueError(f"{name} is {tuple(value.shape)} for weights of {tuple(parameter.shape)}")

    def _parameters(self) -> list[nn.Parameter]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def _gradients(self) -> list[Tensor | None]:
        return [parameter.grad for parameter in self._parameters()]


def _amp_dtype(amp: bool | str, device: str) -> torch.dtype | None:
    if not amp:
        return None
    name = amp if isinstance(amp, str) else ("float16" if device == "cuda" else "bfloat16")
    if name not in _AMP_DTYPES:
        raise UsageError(f"optim_wrapper.amp={amp!r}: use True, False, {' or '.join(map(repr, _AMP_DTYPES))}")
    if name == "float16" and device != "cuda":
        raise UsageError(f"optim_wrapper.amp='float16' needs CUDA, the model is on {device}: use 'bfloat16'")
    if device == "cpu" and not _has_bfloat16():
        print_log(
            "this CPU has no bfloat16 instructions and imitates them, at 8 times float32's seconds a step in a "
            "measurement: train without --amp, or with optim_wrapper.amp=False",
            "current",
            logging.WARNING,
        )
    return _AMP_DTYPES[name]


def _has_bfloat16() -> bool:
    """Whether the CPU computes convolutions in bfloat16 itself (on x86: AVX-512 or AMX)."""
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
