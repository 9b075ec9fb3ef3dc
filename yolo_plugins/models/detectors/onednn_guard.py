"""A way around a fault of oneDNN, which computes convolutions on a CPU.

Where a strided 1x1 convolution reads fewer than 16 channels in channels-last memory, the gradient of its weights is
written past its buffer: a crash some steps later, or wrong numbers (github.com/uxlfoundation/oneDNN/issues/6035, torch
2.11). RepVGG's first block has such a convolution. Contiguous memory is computed rightly.
"""

from typing import Any

import torch
from torch import Tensor, nn

_CHANNEL_BLOCK = 16  # oneDNN's for float32 with AVX-512; with AVX2 it is 8


def guard_strided_1x1(model: nn.Module) -> None:
    """Lets every convolution of that kind in a model, in place, read contiguous memory while it is trained on a CPU."""
    for module in model.modules():
        if (
            isinstance(module, nn.Conv2d)
            and module.kernel_size == (1, 1)
            and max(module.stride) > 1
            and module.in_channels < _CHANNEL_BLOCK
        ):
            module.register_forward_pre_hook(_make_contiguous)


def _make_contiguous(_: nn.Module, args: tuple[Tensor, ...]) -> Any:
    x = args[0]
    return (x.contiguous(), *args[1:]) if x.device.type == "cpu" and torch.is_grad_enabled() else None
