"""CSP-Darknet of YOLOv5 v6.0 to v7.0, five levels deep (P1 to P5).

Source: the released models, measured (docs/models.md). Initialisation is PyTorch's own.
"""

from mmengine.model import BaseModule
from torch import Tensor, nn

from yolo_plugins.models.layers import C3, SILU, SPPF, YOLO_NORM, ConvBNAct, scale_channels, scale_depth
from yolo_plugins.registry import MODELS

_STAGES = ((128, 3), (256, 6), (512, 9), (1024, 3))  # (channels, C3 repeats) at factor 1, strides 4 to 32


@MODELS.register_module()
class YOLOv5CSP(BaseModule):
    """Backbone of YOLOv5: 6x6 stem, four down-sampling C3 stages, SPPF.

    Args:
        deepen_factor: Multiplies the C3 repeats (n, s .33; m .67; l 1; x 1.33).
        widen_factor: Multiplies the channels (n .25; s .5; m .75; l 1; x 1.25).
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
        norm_cfg: dict = YOLO_NORM,
        act_cfg: dict = SILU,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        layer = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)
        channels = scale_channels(64, widen_factor)
        self.stem = ConvBNAct(3, channels, 6, stride=2, padding=2, **layer)
        self.stages = nn.ModuleList()
        self.out_channels: list[int] = []
        for base_channels, repeats in _STAGES:
            in_channels, channels = channels, scale_channels(base_channels, widen_factor)
            down = ConvBNAct(in_channels, channels, 3, stride=2, **layer)
            self.stages.append(nn.Sequential(down, C3(channels, channels, scale_depth(repeats, deepen_factor), **layer)))
            self.out_channels.append(channels)
        self.stages[-1].append(SPPF(channels, channels, **layer))
        self.out_channels = self.out_channels[1:]
        self.out_strides = [8, 16, 32]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) in 0..1 -> maps (N, C_i, H / stride_i, W / stride_i), fine to coarse."""
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return tuple(maps[1:])
