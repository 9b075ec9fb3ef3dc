"""CSP-ised path-aggregation neck of YOLOv4-CSP, P5, P6 and P7, for any number of levels.

Source: Wang et al., "Scaled-YOLOv4" (CVPR 2021), as released, measured (docs/models.md). Unlike YOLOv5's neck it pools
at the top, puts the lateral before the upsampled map, and widens each level for the head by a 3x3 convolution that the
bottom-up path does not pass through.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from yolo_plugins.errors import UsageError
from yolo_plugins.models.layers import CSP2, MISH, SPPCSP, YOLO_NORM, ConvBNAct, concat, scale_channels, scale_depth
from yolo_plugins.registry import MODELS

_LEVEL_CHANNELS = (128, 256, 512, 512, 512)  # inner, at width 1, strides 8 to 128; the head gets twice as many


@MODELS.register_module()
class YOLOv4CSPPAN(BaseModule):
    """SPPCSP on the coarsest map, then a top-down and a bottom-up path of CSP2 blocks.

    Args:
        in_channels: Channels of the backbone's maps, fine to coarse; filled in by the detector.
        num_blocks: Bottlenecks of each CSP2 block at depth 1 (CSP 2, the others 3).
        deepen_factor: Multiplies them.
        widen_factor: Multiplies the channels.
        joint_norm: Norm and activation over joined branches (PyTorch release) or on each (Darknet release).
        channel_divisor: Channels are rounded up to a multiple of this.
        norm_cfg: Config of an MMCV norm layer.
        act_cfg: Config of an MMCV activation layer.
        init_cfg: MMEngine initialisation config.

    Attributes:
        out_channels: Channels of the returned maps, fine to coarse.

    Raises:
        UsageError: More maps than the family has levels.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_blocks: int = 3,
        deepen_factor: float = 1.0,
        widen_factor: float = 1.0,
        joint_norm: bool = True,
        channel_divisor: int = 8,
        norm_cfg: dict = YOLO_NORM,
        act_cfg: dict = MISH,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if len(in_channels) > len(_LEVEL_CHANNELS):
            raise UsageError(f"{len(in_channels)} maps for a neck of at most {len(_LEVEL_CHANNELS)} levels; take fewer")
        layer: dict[str, Any] = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)
        block: dict[str, Any] = dict(num_blocks=scale_depth(num_blocks, deepen_factor), joint_norm=joint_norm, **layer)
        nominal = _LEVEL_CHANNELS[: len(in_channels)]
        widths, self.out_channels = (
            [scale_channels(factor * channels, widen_factor, channel_divisor) for channels in nominal]
            for factor in (1, 2)
        )
        self.top = SPPCSP(in_channels[-1], widths[-1], joint_norm, **layer)
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.reduces, self.laterals, self.top_down = (nn.ModuleList() for _ in range(3))
        for (width, above), skip_channels in zip(list(pairwise(widths))[::-1], in_channels[-2::-1], strict=True):
            self.reduces.append(ConvBNAct(above, width, **layer))
            self.laterals.append(ConvBNAct(skip_channels, width, **layer))
            self.top_down.append(CSP2(2 * width, width, **block))
        self.downsamples, self.bottom_up = nn.ModuleList(), nn.ModuleList()
        for width, above in pairwise(widths):
            self.downsamples.append(ConvBNAct(width, above, 3, stride=2, **layer))
            self.bottom_up.append(CSP2(2 * above, above, **block))
        self.widen = nn.ModuleList(
            ConvBNAct(width, out, 3, **layer) for width, out in zip(widths, self.out_channels, strict=True)
        )

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps (N, in_channels_i, H_i, W_i), fine to coarse -> maps (N, out_channels_i, H_i, W_i)."""
        *finer, x = maps
        inner = [self.top(x)]
        for reduce, lateral, block, skip in zip(
            self.reduces, self.laterals, self.top_down, reversed(finer), strict=True
        ):
            inner.append(block(concat(lateral(skip), self.upsample(reduce(inner[-1])))))
        outputs = [inner.pop()]
        for down, block, skip in zip(self.downsamples, self.bottom_up, reversed(inner), strict=True):
            outputs.append(block(concat(down(outputs[-1]), skip)))
        return tuple(widen(x) for widen, x in zip(self.widen, outputs, strict=True))
