"""One-shot aggregation with a partial computational block, of YOLOv4-tiny.

Source: Wang et al., "Scaled-YOLOv4" (CVPR 2021), section 3.2, in the form of Darknet's yolov4-tiny: half of the
channels pass through two 3x3 convolutions, both results are kept, and everything else bypasses them.
"""

from typing import Any

from torch import Tensor, nn

from yolo_plugins.models.layers.conv import DARKNET_NORM, LEAKY_RELU, ConvBNAct, concat


class CSPOSA(nn.Module):
    """first(x) = a; second(half of a) = d; third(d) = e; [a, fuse([e, d])].

    Args:
        channels: Channels of the input map; even.
        norm_cfg: Config of an MMCV norm layer.
        act_cfg: Config of an MMCV activation layer.
    """

    def __init__(self, channels: int, norm_cfg: dict = DARKNET_NORM, act_cfg: dict = LEAKY_RELU) -> None:
        super().__init__()
        half = channels // 2
        layer: dict[str, Any] = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.first = ConvBNAct(channels, channels, 3, **layer)
        self.second = ConvBNAct(half, half, 3, **layer)
        self.third = ConvBNAct(half, half, 3, **layer)
        self.fuse = ConvBNAct(channels, channels, **layer)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, 2 C, H, W): the bypassing map, then the aggregated one."""
        a = self.first(x)
        d = self.second(a.chunk(2, dim=1)[1])  # the second half, as Darknet's group_id=1 says
        return concat(a, self.fuse(concat(self.third(d), d)))
