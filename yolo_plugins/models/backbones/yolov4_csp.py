"""CSP-Darknet of YOLOv4-CSP, P5, P6 and P7.

Source: Wang et al., "Scaled-YOLOv4" (CVPR 2021), as released, measured (docs/models.md). Initialisation is PyTorch's.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from yolo_plugins.errors import UsageError
from yolo_plugins.models.layers import (
    MISH,
    YOLO_NORM,
    Bottleneck,
    BottleneckCSP,
    ConvBNAct,
    Freezable,
    freeze_stages,
    scale_channels,
    scale_depth,
)
from yolo_plugins.registry import MODELS

_STEM = 32  # channels at width 1
_STAGES = (64, 128, 256, 512, 1024, 1024, 1024)  # channels at width 1; strides 2 to 128
_FIRST_RETURNED = 2  # the stage of stride 8
_P5 = (1, 3, 15, 15, 7)


@MODELS.register_module()
class YOLOv4CSP(Freezable, BaseModule):
    """Backbone of Scaled-YOLOv4: 3x3 stem, then stages of a 3x3/2 convolution and a CSP block.

    Args:
        repeats: Residual bottlenecks of each stage at depth 1: (1, 2, 8, 8, 4) of CSP, (1, 3, 15, 15, 7) of P5, one
            or two more stages of 7 of P6 and P7.
        deepen_factor: Multiplies the repeats.
        widen_factor: Multiplies the channels (P7 1.25, the others 1).
        plain_first: Whether the first stage is a plain residual bottleneck, without CSP, as in YOLOv4-CSP.
        channel_divisor: Channels are rounded up to a multiple of this.
        frozen_stages: k freezes all that the map of stride 2 ** (k + 1) depends on; -1 freezes nothing.
        norm_cfg: Config of an MMCV norm layer.
        act_cfg: Config of an MMCV activation layer.
        init_cfg: MMEngine initialisation config, for example a checkpoint.

    Attributes:
        out_channels: Channels of the returned maps, fine to coarse.
        out_strides: Their strides in input pixels: 8, 16, 32 and one more for each further stage.

    Raises:
        UsageError: Too few or too many stages.
    """

    def __init__(
        self,
        repeats: Sequence[int] = _P5,
        deepen_factor: float = 1.0,
        widen_factor: float = 1.0,
        plain_first: bool = False,
        channel_divisor: int = 8,
        frozen_stages: int = -1,
        norm_cfg: dict = YOLO_NORM,
        act_cfg: dict = MISH,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if not _FIRST_RETURNED < len(repeats) <= len(_STAGES):
            raise UsageError(f"repeats={tuple(repeats)}: give {_FIRST_RETURNED + 1} to {len(_STAGES)} stages")
        layer: dict[str, Any] = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)
        nominal = (_STEM, *_STAGES[: len(repeats)])
        widths = [scale_channels(channels, widen_factor, channel_divisor) for channels in nominal]
        blocks: list[nn.Module] = [
            BottleneckCSP(width, width, scale_depth(count, deepen_factor), **layer)
            for width, count in zip(widths[1:], repeats, strict=True)
        ]
        if plain_first:
            blocks[0] = Bottleneck(widths[1], hidden_channels=widths[1] // 2, **layer)
        self.stem = ConvBNAct(3, widths[0], 3, **layer)
        self.stages = nn.ModuleList(
            nn.Sequential(ConvBNAct(narrow, wide, 3, stride=2, **layer), block)
            for (narrow, wide), block in zip(pairwise(widths), blocks, strict=True)
        )

        freeze_stages([[self.stem, self.stages[0]], *zip(self.stages[1:])], frozen_stages, "YOLOv4CSP")
        self.out_channels = widths[1 + _FIRST_RETURNED :]
        self.out_strides = [2 ** (stage + 1) for stage in range(_FIRST_RETURNED, len(repeats))]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) in 0..1 -> maps (N, C_i, H / stride_i, W / stride_i), fine to coarse."""
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return tuple(maps[_FIRST_RETURNED:])
