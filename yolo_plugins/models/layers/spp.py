"""Spatial pyramid pooling: YOLOv5's SPPF, Scaled-YOLOv4's SPPCSP.

Source: He et al., "Spatial Pyramid Pooling" (ECCV 2014). Three chained 5x5 max-pools equal pools of 5, 9 and 13
side by side, which a test shows.
"""

from typing import Any

from torch import Tensor, nn

from yolo_plugins.models.layers.conv import MISH, SILU, YOLO_NORM, ConvBNAct, concat
from yolo_plugins.models.layers.csp import build_bypass


def pyramid_pool(x: Tensor, pool: nn.Module) -> Tensor:
    """(N, C, H, W) -> (N, 4 C, H, W): the map and what a pool makes of it once, twice and three times."""
    pooled = [x]
    for _ in range(3):
        pooled.append(pool(pooled[-1]))
    return concat(*pooled)


class SPPF(nn.Module):
    """1x1 to half the channels, three chained max-pools, concat of all four maps, 1x1.

    Args:
        in_channels: Channels of the input map.
        out_channels: Channels of the output map.
        kernel_size: Side of each max-pool (stride 1, size kept).
        norm_cfg: Config of an MMCV norm layer.
        act_cfg: Config of an MMCV activation layer.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 5,
        norm_cfg: dict = YOLO_NORM,
        act_cfg: dict = SILU,
    ) -> None:
        super().__init__()
        half = in_channels // 2
        self.reduce = ConvBNAct(in_channels, half, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.pool = nn.MaxPool2d(kernel_size, stride=1, padding=kernel_size // 2)
        self.fuse = ConvBNAct(4 * half, out_channels, norm_cfg=norm_cfg, act_cfg=act_cfg)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) -> (N, C_out, H, W)."""
        return self.fuse(pyramid_pool(self.reduce(x), self.pool))


class SPPCSP(nn.Module):
    """Pooling within a CSP block: join([after(pools(before(x))), bypass(x)]) -> fuse.

    Args:
        in_channels: Channels of the input map.
        out_channels: Channels of the output map and of each branch.
        joint_norm: As `CSP2`.
        kernel_size: Side of each of the chained max-pools (stride 1, size kept).
        norm_cfg: Config of an MMCV norm layer.
        act_cfg: Config of an MMCV activation layer.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        joint_norm: bool = True,
        kernel_size: int = 5,
        norm_cfg: dict = YOLO_NORM,
        act_cfg: dict = MISH,
    ) -> None:
        super().__init__()
        layer: dict[str, Any] = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.before = nn.Sequential(
            ConvBNAct(in_channels, out_channels, **layer),
            ConvBNAct(out_channels, out_channels, 3, **layer),
            ConvBNAct(out_channels, out_channels, **layer),
        )
        self.pool = nn.MaxPool2d(kernel_size, stride=1, padding=kernel_size // 2)
        self.after = nn.Sequential(
            ConvBNAct(4 * out_channels, out_channels, **layer), ConvBNAct(out_channels, out_channels, 3, **layer)
        )
        self.bypass, self.join = build_bypass(in_channels, out_channels, joint_norm, **layer)
        self.fuse = ConvBNAct(2 * out_channels, out_channels, **layer)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) -> (N, C_out, H, W)."""
        pooled = pyramid_pool(self.before(x), self.pool)
        return self.fuse(self.join(concat(self.after(pooled), self.bypass(x))))
