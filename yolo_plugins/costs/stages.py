"""The stages of the scaling theory as modules, and what torch counts of them.

Darknet's stages are built of this package's layers, residual and ResNeXt stages of mmpretrain's. Nothing is computed:
modules and maps are on torch's meta device, where only shapes exist.
"""

from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from yolo_plugins.errors import UsageError
from yolo_plugins.models.layers import Bottleneck, BottleneckCSP

_GROUPS = 32  # of ResNeXt's 3x3 convolution


def build_stage(kind: str, layers: int, channels: int) -> nn.Module:
    """Plain layers one after the other.

    Args:
        kind: "residual", "resnext" or "darknet".
        layers: How many.
        channels: Of input and output map; a multiple of 64.

    Raises:
        UsageError: The groups of ResNeXt do not fit the channels.
    """
    from mmpretrain.models.backbones import resnet, resnext

    _check(channels)
    grouped = dict(base_channels=channels // 4, groups=_GROUPS, width_per_group=channels // 2 // _GROUPS)
    with torch.device("meta"):
        if kind == "residual":
            return nn.Sequential(*(resnet.Bottleneck(channels, channels) for _ in range(layers)))
        if kind == "resnext":
            return nn.Sequential(*(resnext.Bottleneck(channels, channels, **grouped) for _ in range(layers)))
        return nn.Sequential(*(Bottleneck(channels, hidden_channels=channels // 2) for _ in range(layers)))


def build_csp_stage(kind: str, layers: int, channels: int) -> nn.Module:
    """The CSP-ised stage: half of the channels pass through the layers. Arguments and errors as in `build_stage`."""
    from mmpretrain.models.backbones.cspnet import CSPStage, ResNetBottleneck, ResNeXtBottleneck

    _check(channels)
    grouped = dict(base_channels=channels // 8, groups=_GROUPS, width_per_group=channels // 2 // _GROUPS)
    stage: dict[str, Any] = dict(num_blocks=layers, has_downsampler=False, expand_ratio=1)
    with torch.device("meta"):
        if kind == "residual":
            return CSPStage(ResNetBottleneck, channels, channels, bottle_ratio=2, **stage)
        if kind == "resnext":
            return CSPStage(ResNeXtBottleneck, channels, channels, bottle_ratio=4, block_args=grouped, **stage)
        return BottleneckCSP(channels, channels, layers)


def _check(channels: int) -> None:
    if channels % (2 * _GROUPS):
        raise UsageError(f"{channels} channels do not fit ResNeXt's {_GROUPS} groups: give a multiple of {2 * _GROUPS}")


def count_module(module: nn.Module, channels: int, width: int, height: int) -> tuple[int, int]:
    """MACs of a module for one map, and its CIO: the numbers that its convolutions read and write.

    Args:
        module: From (1, C, H, W) to any output; left in evaluation mode on the meta device.
        channels: C.
        width: W.
        height: H.
    """
    io = 0

    def add(_: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal io
        io += inputs[0].numel() + output.numel()

    hooks = [part.register_forward_hook(add) for part in module.modules() if isinstance(part, nn.Conv2d)]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.eval()
        module.to("meta")(torch.zeros(1, channels, height, width, device="meta"))
    for hook in hooks:
        hook.remove()
    return counter.get_total_flops() // 2, io
