"""Cross-stage-partial blocks: the C3 of YOLOv5.

Source: Wang et al., "CSPNet" (CVPR workshops 2020); the three-convolution form is YOLOv5's.
"""

from typing import Any

from torch import Tensor, nn

from yolo_plugins.models.layers.conv import SILU, YOLO_NORM, ConvBNAct, concat


class Bottleneck(nn.Module):
    """1x1 then 3x3 convolution of equal width, added to the input where `shortcut` is set.

    Args:
        channels: Channels of input, hidden and output map.
        shortcut: Whether the input is added to the result.
        norm_cfg: Config of an MMCV norm layer.
        act_cfg: Config of an MMCV activation layer.
    """

    def __init__(self, channels: int, shortcut: bool = True, norm_cfg: dict = YOLO_NORM, act_cfg: dict = SILU) -> None:
        super().__init__()
        self.conv1 = ConvBNAct(channels, channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.conv2 = ConvBNAct(channels, channels, 3, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        y = self.conv2(self.conv1(x))
        return x + y if self.shortcut else y


class C3(nn.Module):
    """CSP block with three 1x1 convolutions: [bottlenecks(main(x)), bypass(x)] -> fuse.

    Args:
        in_channels: Channels of the input map.
        out_channels: Channels of the output map; each branch has half of them.
        num_blocks: Bottlenecks on the main branch.
        shortcut: Whether the bottlenecks are residual (backbone) or plain (neck).
        norm_cfg: Config of an MMCV norm layer.
        act_cfg: Config of an MMCV activation layer.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_blocks: int,
        shortcut: bool = True,
        norm_cfg: dict = YOLO_NORM,
        act_cfg: dict = SILU,
    ) -> None:
        super().__init__()
        half = out_channels // 2
        layer: dict[str, Any] = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.main = ConvBNAct(in_channels, half, **layer)
        self.bypass = ConvBNAct(in_channels, half, **layer)
        self.blocks = nn.Sequential(*(Bottleneck(half, shortcut, **layer) for _ in range(num_blocks)))
        self.fuse = ConvBNAct(2 * half, out_channels, **layer)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) -> (N, C_out, H, W)."""
        return self.fuse(concat(self.blocks(self.main(x)), self.bypass(x)))
