"""Feature pyramid of YOLOv4-tiny: two levels, top-down only.

Source: Darknet's yolov4-tiny, measured (docs/models.md).
"""

from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from yolo_plugins.errors import UsageError
from yolo_plugins.models.layers import DARKNET_NORM, LEAKY_RELU, ConvBNAct, concat, scale_channels
from yolo_plugins.registry import MODELS

_REDUCED, _UP, _OUT = 256, 128, (256, 512)  # channels at width 1


@MODELS.register_module()
class YOLOv4TinyFPN(BaseModule):
    """The coarse map reduced; widened again for its own level; upsampled and joined with the fine map for the other.

    Args:
        in_channels: Channels of the backbone's two maps, fine to coarse; filled in by the detector.
        widen_factor: Multiplies the channels.
        channel_divisor: Channels are rounded up to a multiple of this.
        norm_cfg: Config of an MMCV norm layer.
        act_cfg: Config of an MMCV activation layer.
        init_cfg: MMEngine initialisation config.

    Attributes:
        out_channels: Channels of the two returned maps.

    Raises:
        UsageError: The backbone does not give two maps.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        widen_factor: float = 1.0,
        channel_divisor: int = 8,
        norm_cfg: dict = DARKNET_NORM,
        act_cfg: dict = LEAKY_RELU,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if len(in_channels) != len(_OUT):
            raise UsageError(
                f"{len(in_channels)} input maps for YOLOv4TinyFPN, which takes {len(_OUT)}; give the backbone "
                "out_strides=(16, 32)"
            )
        fine, coarse = in_channels
        layer: dict[str, Any] = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)
        reduced, up, *out = (scale_channels(x, widen_factor, channel_divisor) for x in (_REDUCED, _UP, *_OUT))
        self.reduce = ConvBNAct(coarse, reduced, **layer)
        self.lateral = ConvBNAct(reduced, up, **layer)
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.outputs = nn.ModuleList(
            ConvBNAct(channels, wide, 3, **layer) for channels, wide in zip((up + fine, reduced), out, strict=True)
        )
        self.out_channels = out

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps (N, in_channels_i, H_i, W_i) of strides 16 and 32 -> maps (N, out_channels_i, H_i, W_i)."""
        fine, coarse = maps
        top = self.reduce(coarse)
        joined = concat(self.upsample(self.lateral(top)), fine)
        return self.outputs[0](joined), self.outputs[1](top)
