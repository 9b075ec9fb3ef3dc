"""CSPOSANet of YOLOv4-tiny, for low-end devices.

Source: Wang et al., "Scaled-YOLOv4" (CVPR 2021), section 3.2, in the form of Darknet's yolov4-tiny, measured
(docs/models.md).
"""

from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from yolo_plugins.models.layers import (
    CSPOSA,
    DARKNET_NORM,
    LEAKY_RELU,
    ConvBNAct,
    Freezable,
    freeze_stages,
    scale_channels,
)
from yolo_plugins.registry import MODELS

_STEM, _BLOCKS, _LAST = (32, 64), (64, 128, 256), 512  # channels at width 1


@MODELS.register_module()
class YOLOv4Tiny(Freezable, BaseModule):
    """Two 3x3/2 convolutions, three CSPOSA blocks with a max-pool after each, a 3x3 convolution.

    Args:
        widen_factor: Multiplies the channels.
        channel_divisor: Channels are rounded up to a multiple of this.
        frozen_stages: k freezes all that the map of stride 2 ** (k + 1) depends on; -1 freezes nothing.
        norm_cfg: Config of an MMCV norm layer.
        act_cfg: Config of an MMCV activation layer.
        init_cfg: MMEngine initialisation config, for example a checkpoint.

    Attributes:
        out_channels: Channels of the two returned maps.
        out_strides: Their strides in input pixels, (16, 32).
    """

    def __init__(
        self,
        widen_factor: float = 1.0,
        channel_divisor: int = 8,
        frozen_stages: int = -1,
        norm_cfg: dict = DARKNET_NORM,
        act_cfg: dict = LEAKY_RELU,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        layer: dict[str, Any] = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)
        stem = [scale_channels(channels, widen_factor, channel_divisor) for channels in _STEM]
        blocks = [stem[-1] * 2**index for index in range(len(_BLOCKS))]  # each block doubles what it gets
        self.stem = nn.Sequential(
            ConvBNAct(3, stem[0], 3, stride=2, **layer), ConvBNAct(stem[0], stem[1], 3, stride=2, **layer)
        )
        self.blocks = nn.ModuleList(CSPOSA(channels, **layer) for channels in blocks)
        self.pool = nn.MaxPool2d(2)
        self.last = ConvBNAct(2 * blocks[-1], 2 * blocks[-1], 3, **layer)
        stages: list[list[nn.Module]] = [
            [self.stem[0]],
            [self.stem[1], self.blocks[0]],
            [self.blocks[1]],
            [self.blocks[2]],
            [self.last],
        ]
        freeze_stages(stages, frozen_stages, "YOLOv4Tiny")
        self.out_channels = [blocks[-1], 2 * blocks[-1]]
        self.out_strides = [16, 32]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) in 0..1 -> the last block's aggregated map, and the map after the last convolution."""
        x = self.stem(x)
        for block in self.blocks:
            joined = block(x)
            x = self.pool(joined)
        return joined.chunk(2, dim=1)[1], self.last(x)
