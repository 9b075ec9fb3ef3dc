"""Spatial pyramid pooling: YOLOv5's SPPF.

Source: He et al., "Spatial Pyramid Pooling" (ECCV 2014). Three chained 5x5 max-pools equal pools of 5, 9 and 13
side by side, which a test shows.
"""

from torch import Tensor, nn

from yolo_plugins.models.layers.conv import SILU, YOLO_NORM, ConvBNAct, concat


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
        pooled = [self.reduce(x)]
        for _ in range(3):
            pooled.append(self.pool(pooled[-1]))
        return self.fuse(concat(*pooled))
