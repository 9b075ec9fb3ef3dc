"""Cross-stage-partial blocks: the C3 of YOLOv5, BottleneckCSP and CSP2 of Scaled-YOLOv4.

Source: Wang et al., "CSPNet" (CVPR workshops 2020); the three-convolution form is YOLOv5's, the others are those of
"Scaled-YOLOv4" (CVPR 2021) as released, measured (docs/models.md).
"""

from typing import Any

from torch import Tensor, nn

from yolo_plugins.models.layers.conv import MISH, SILU, YOLO_NORM, ConvBNAct, NormAct, concat


class Bottleneck(nn.Module):
    """1x1 then 3x3 convolution, added to the input where `shortcut` is set.

    Args:
        channels: Channels of input and output map.
        shortcut: Whether the input is added to the result.
        hidden_channels: Channels between the convolutions; those of the input by default.
        norm_cfg: Config of an MMCV norm layer.
        act_cfg: Config of an MMCV activation layer.
    """

    def __init__(
        self,
        channels: int,
        shortcut: bool = True,
        hidden_channels: int | None = None,
        norm_cfg: dict = YOLO_NORM,
        act_cfg: dict = SILU,
    ) -> None:
        super().__init__()
        hidden = hidden_channels or channels
        self.conv1 = ConvBNAct(channels, hidden, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.conv2 = ConvBNAct(hidden, channels, 3, norm_cfg=norm_cfg, act_cfg=act_cfg)
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


class BottleneckCSP(nn.Module):
    """CSP block of Scaled-YOLOv4's backbones: act(norm([exit(bottlenecks(main(x))), bypass(x)])) -> fuse.

    `exit` and `bypass` are convolutions without norm and activation; the joined map has them.

    Args:
        in_channels: Channels of the input map.
        out_channels: Channels of the output map; each branch has half of them.
        num_blocks: Residual bottlenecks on the main branch.
        norm_cfg: Config of an MMCV norm layer.
        act_cfg: Config of an MMCV activation layer.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_blocks: int,
        norm_cfg: dict = YOLO_NORM,
        act_cfg: dict = MISH,
    ) -> None:
        super().__init__()
        half = out_channels // 2
        layer: dict[str, Any] = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.main = ConvBNAct(in_channels, half, **layer)
        self.blocks = nn.Sequential(*(Bottleneck(half, **layer) for _ in range(num_blocks)))
        self.exit = nn.Conv2d(half, half, 1, bias=False)
        self.bypass = nn.Conv2d(in_channels, half, 1, bias=False)
        self.join = NormAct(2 * half, **layer)
        self.fuse = ConvBNAct(2 * half, out_channels, **layer)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) -> (N, C_out, H, W)."""
        return self.fuse(self.join(concat(self.exit(self.blocks(self.main(x))), self.bypass(x))))


class CSP2(nn.Module):
    """CSP block of Scaled-YOLOv4's necks: main(x) = y, then join([bottlenecks(y), bypass(y)]) -> fuse.

    Args:
        in_channels: Channels of the input map.
        out_channels: Channels of the output map and of each branch.
        num_blocks: Bottlenecks without shortcut.
        joint_norm: Where norm and activation of the bypass are: over both joined branches, on top of those that the
            bottlenecks end with (the PyTorch release), or on the bypass alone (Darknet's release).
        norm_cfg: Config of an MMCV norm layer.
        act_cfg: Config of an MMCV activation layer.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_blocks: int,
        joint_norm: bool = True,
        norm_cfg: dict = YOLO_NORM,
        act_cfg: dict = MISH,
    ) -> None:
        super().__init__()
        layer: dict[str, Any] = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.main = ConvBNAct(in_channels, out_channels, **layer)
        self.blocks = nn.Sequential(*(Bottleneck(out_channels, False, **layer) for _ in range(num_blocks)))
        self.bypass, self.join = build_bypass(out_channels, out_channels, joint_norm, **layer)
        self.fuse = ConvBNAct(2 * out_channels, out_channels, **layer)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) -> (N, C_out, H, W)."""
        y = self.main(x)
        return self.fuse(self.join(concat(self.blocks(y), self.bypass(y))))


def build_bypass(
    in_channels: int, out_channels: int, joint_norm: bool, norm_cfg: dict, act_cfg: dict
) -> tuple[nn.Module, nn.Module]:
    """(1x1 convolution of a bypass, what follows the joined branches), as `CSP2` describes `joint_norm`."""
    if joint_norm:
        return nn.Conv2d(in_channels, out_channels, 1, bias=False), NormAct(2 * out_channels, norm_cfg, act_cfg)
    return ConvBNAct(in_channels, out_channels, norm_cfg=norm_cfg, act_cfg=act_cfg), nn.Identity()
