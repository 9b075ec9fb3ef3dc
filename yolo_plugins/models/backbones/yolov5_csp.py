"""CSP-Darknet of YOLOv5 v6.0 to v7.0, five levels deep (P1 to P5).

Source: the released models, measured (docs/models.md). Initialisation is PyTorch's own.
"""

from itertools import pairwise
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from yolo_plugins.models.layers import (
    C3,
    SILU,
    SPPF,
    YOLO_NORM,
    ConvBNAct,
    Freezable,
    freeze_stages,
    scale_channels,
    scale_depth,
)
from yolo_plugins.registry import MODELS

_STEM = 64  # channels at width 1
_STAGES = {128: 3, 256: 6, 512: 9, 1024: 3}  # channels at width 1: C3 repeats at depth 1; strides 4 to 32


@MODELS.register_module()
class YOLOv5CSP(Freezable, BaseModule):
    """Backbone of YOLOv5: 6x6 stem, four down-sampling C3 stages, SPPF.

    Args:
        deepen_factor: Multiplies the C3 repeats (n, s .33; m .67; l 1; x 1.33).
        widen_factor: Multiplies the channels (n .25; s .5; m .75; l 1; x 1.25).
        frozen_stages: k freezes all that the map of stride 2 ** (k + 1) depends on; -1 freezes nothing.
        norm_cfg: Config of an MMCV norm layer.
        act_cfg: Config of an MMCV activation layer.
        init_cfg: MMEngine initialisation config, for example a checkpoint.

    Attributes:
        out_channels: Channels of the three returned maps.
        out_strides: Their strides in input pixels, (8, 16, 32).
    """

    def __init__(
        self,
        deepen_factor: float = 1.0,
        widen_factor: float = 1.0,
        frozen_stages: int = -1,
        norm_cfg: dict = YOLO_NORM,
        act_cfg: dict = SILU,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        layer: dict[str, Any] = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)
        widths = [scale_channels(channels, widen_factor) for channels in (_STEM, *_STAGES)]
        depths = [scale_depth(repeats, deepen_factor) for repeats in _STAGES.values()]
        self.stem = ConvBNAct(3, widths[0], 6, stride=2, padding=2, **layer)
        stages = [
            [ConvBNAct(narrow, wide, 3, stride=2, **layer), C3(wide, wide, depth, **layer)]
            for (narrow, wide), depth in zip(pairwise(widths), depths, strict=True)
        ]
        stages[-1].append(SPPF(widths[-1], widths[-1], **layer))
        self.stages = nn.ModuleList(nn.Sequential(*stage) for stage in stages)
        freeze_stages([[self.stem], *zip(self.stages)], frozen_stages, "YOLOv5CSP")
        self.out_channels = widths[2:]
        self.out_strides = [8, 16, 32]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) in 0..1 -> maps (N, C_i, H / stride_i, W / stride_i), fine to coarse."""
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return tuple(maps[1:])
