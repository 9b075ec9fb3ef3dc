"""CSP path-aggregation neck of YOLOv5 v6.0 to v7.0, for any number of levels.

Source: Liu et al., "PANet" (CVPR 2018), in the form of the released models. The bottom-up path joins the 1x1 laterals
of the top-down path, not the C3 outputs.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from yolo_plugins.errors import UsageError
from yolo_plugins.models.layers import C3, SILU, YOLO_NORM, ConvBNAct, concat, scale_channels, scale_depth
from yolo_plugins.registry import MODELS

_REPEATS = 3  # C3 repeats of every neck block at depth 1
_LEVEL_CHANNELS = (256, 512, 1024)  # at width 1, strides 8, 16, 32


@MODELS.register_module()
class YOLOv5PAFPN(BaseModule):
    """Top-down then bottom-up pyramid of C3 blocks.

    Inner and output widths follow `widen_factor` alone, so that two backbones under the same neck are compared
    fairly.

    Args:
        in_channels: Channels of the backbone's maps, fine to coarse; filled in by the detector.
        deepen_factor: Multiplies the C3 repeats.
        widen_factor: Multiplies the channels.
        level_channels: Output channels at width 1, fine to coarse.
        norm_cfg: Config of an MMCV norm layer.
        act_cfg: Config of an MMCV activation layer.
        init_cfg: MMEngine initialisation config.

    Attributes:
        out_channels: Channels of the returned maps, fine to coarse.

    Raises:
        UsageError: The numbers of input maps and output levels differ.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        deepen_factor: float = 1.0,
        widen_factor: float = 1.0,
        level_channels: Sequence[int] = _LEVEL_CHANNELS,
        norm_cfg: dict = YOLO_NORM,
        act_cfg: dict = SILU,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if len(in_channels) != len(level_channels):
            raise UsageError(
                f"{len(in_channels)} input maps for {len(level_channels)} levels of the neck; "
                "give neck.level_channels one number for each map of the backbone"
            )
        layer: dict[str, Any] = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)
        block: dict[str, Any] = dict(num_blocks=scale_depth(_REPEATS, deepen_factor), shortcut=False, **layer)
        widths = [scale_channels(channels, widen_factor) for channels in level_channels]
        self.out_channels = widths
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.laterals, self.top_down, self.downsamples, self.bottom_up = (nn.ModuleList() for _ in range(4))
        top_channels = in_channels[-1]
        for width, skip_channels in zip(widths[-2::-1], in_channels[-2::-1], strict=True):
            self.laterals.append(ConvBNAct(top_channels, width, **layer))
            self.top_down.append(C3(width + skip_channels, width, **block))
            top_channels = width
        for width, out_channels in pairwise(widths):
            self.downsamples.append(ConvBNAct(width, width, 3, stride=2, **layer))
            self.bottom_up.append(C3(2 * width, out_channels, **block))

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps (N, in_channels_i, H_i, W_i), fine to coarse -> maps (N, out_channels_i, H_i, W_i)."""
        *finer, x = maps
        reduced = []
        for lateral, block, skip in zip(self.laterals, self.top_down, reversed(finer), strict=True):
            reduced.append(lateral(x))
            x = block(concat(self.upsample(reduced[-1]), skip))
        outputs = [x]
        for down, block, skip in zip(self.downsamples, self.bottom_up, reversed(reduced), strict=True):
            outputs.append(block(concat(down(outputs[-1]), skip)))
        return tuple(outputs)
