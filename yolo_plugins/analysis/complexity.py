"""Parameters, multiply-accumulates and latency of a detector and its parts, measured on the object itself.

Convolutions and matrix products are counted by torch's own flop counter, which counts two operations for each
multiply-accumulate; operators that it knows no formula for are named. The one place of this package where the two
units meet: flops = 2 * macs.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count, flop_registry

from yolo_plugins.models.deploy import CONV_ACT, to_deploy

_PARTS = {"backbone": "backbone", "neck": "neck", "head": "bbox_head"}
_LATENCY_REPEATS = 10


def _pointwise_flops(x_shape: Any, weight_shape: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    """The deploy form's convolution with its activation: as torch counts a convolution."""
    return conv_flop_count(x_shape, weight_shape, out_shape, transposed=False)


_FORMULAS = {CONV_ACT: _pointwise_flops} if CONV_ACT is not None else {}


class _OperatorNames(TorchDispatchMode):
    """Collects the names of the operators that run."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[Any] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: dict | None = None) -> Any:
        self.seen.add(func.overloadpacket)
        return func(*args, **(kwargs or {}))


def flops_of(macs: int) -> int:
    """Floating-point operations of so many multiply-accumulates."""
    return 2 * macs


def summarize(model: nn.Module, input_hw: tuple[int, int]) -> dict[str, Any]:
    """Complexity and speed for one image.

    Args:
        model: A detector with `backbone`, `neck` and `bbox_head`; left as it is.
        input_hw: Height and width of the input in pixels.

    Returns:
        What `count_parts` returns; `params_deploy` and `macs_deploy` of the deploy form; its `latency_seconds` on the
        model's device (batch 1, raw outputs) and `images_per_second`.
    """
    deployed = to_deploy(model)
    latency = median_seconds(lambda: _forward(deployed, input_hw), _LATENCY_REPEATS)
    return count_parts(model, input_hw) | {
        "params_deploy": _count_params(deployed),
        "macs_deploy": sum(_count_macs(deployed, input_hw)[0].values()),
        "latency_seconds": latency,
        "images_per_second": 1 / latency,
    }


def count_parts(model: nn.Module, input_hw: tuple[int, int]) -> dict[str, Any]:
    """`params`, `macs` and `flops` for one image and, with `_backbone`, `_neck`, `_head`, those of the parts.

    `uncounted_operators` names what has no formula. Arguments as in `summarize`.
    """
    macs, uncounted = _count_macs(model, input_hw)
    counts: dict[str, Any] = {}
    for part, name in _PARTS.items():
        counts[f"params_{part}"] = _count_params(getattr(model, name))
        counts[f"macs_{part}"] = macs[name]
        counts[f"flops_{part}"] = flops_of(macs[name])
    counts["params"] = _count_params(model)
    counts["macs"] = sum(macs.values())
    counts["flops"] = flops_of(counts["macs"])
    counts["uncounted_operators"] = uncounted
    return counts


def median_seconds(function: Callable[[], object], repeats: int) -> float:
    """Median wall time of a call, after two calls that do not count; waits for the GPU where there is one."""
    times = []
    for repeat in range(-2, repeats):
        start = time.perf_counter()
        function()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        if repeat >= 0:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def _count_params(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _count_macs(model: nn.Module, input_hw: tuple[int, int]) -> tuple[dict[str, int], list[str]]:
    """Multiply-accumulates of each part for one image, in evaluation mode; operators without a formula."""
    training = model.training
    counter, operators = FlopCounterMode(display=False, custom_mapping=_FORMULAS), _OperatorNames()
    model.eval()
    try:
        with operators, counter:
            _forward(model, input_hw)
    finally:
        model.train(training)
    counts, root = counter.get_flop_counts(), type(model).__name__
    macs = {name: sum(counts.get(f"{root}.{name}", {}).values()) // 2 for name in _PARTS.values()}
    return macs, sorted(str(operator) for operator in operators.seen - flop_registry.keys() - _FORMULAS.keys())


@torch.no_grad()
def _forward(model: nn.Module, input_hw: tuple[int, int]) -> None:
    device = next(model.parameters()).device
    model(torch.zeros(1, 3, *input_hw, device=device), mode="tensor")
