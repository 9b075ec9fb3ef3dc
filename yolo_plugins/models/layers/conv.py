"""The one Conv-BatchNorm-activation of this package.

Source: YOLOv5 v6.0 and Scaled-YOLOv4. mmcv's `ConvModule` is not used because it re-initialises its convolution;
the reference keeps PyTorch's default initialisation.
"""

import torch
from mmcv.cnn import build_activation_layer, build_norm_layer
from mmengine.registry import MODELS as ROOT_MODELS
from torch import Tensor, nn

# YOLOv5 and the PyTorch release of Scaled-YOLOv4; ImageNet networks keep PyTorch's 1e-5 and 0.1
YOLO_NORM = dict(type="BN", eps=1e-3, momentum=0.03)
# of the engine that runs Darknet's configs in PyTorch; Darknet itself adds 1e-5
DARKNET_NORM = dict(type="BN", eps=1e-4, momentum=0.03)
SILU = dict(type="SiLU")  # in place, autograd would copy its input first
MISH = dict(type="Mish")
LEAKY_RELU = dict(type="LeakyReLU", negative_slope=0.1)  # Darknet's
if "Mish" not in ROOT_MODELS.module_dict:  # torch's own; where activations of mmcv are, it is missing
    ROOT_MODELS.register_module(module=nn.Mish)


class ConvBNAct(nn.Module):
    """Convolution without bias, batch normalisation, activation.

    Args:
        in_channels: Channels of the input map.
        out_channels: Channels of the output map.
        kernel_size: Side of the square kernel.
        stride: Input pixels per output pixel.
        padding: Zero padding; half the kernel by default, which keeps the size at stride 1.
        norm_cfg: Config of an MMCV norm layer.
        act_cfg: Config of an MMCV activation layer.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        stride: int = 1,
        padding: int | None = None,
        norm_cfg: dict = YOLO_NORM,
        act_cfg: dict = SILU,
    ) -> None:
        super().__init__()
        padding = kernel_size // 2 if padding is None else padding
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=False)
        self.bn = build_norm_layer(norm_cfg, out_channels)[1]
        self.act = build_activation_layer(act_cfg)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) -> (N, C_out, ceil(H / stride), ceil(W / stride)) for odd kernels."""
        return self.act(self.bn(self.conv(x)))


class NormAct(nn.Module):
    """Batch normalisation, activation.

    Args:
        channels: Channels of the map.
        norm_cfg: Config of an MMCV norm layer.
        act_cfg: Config of an MMCV activation layer.
    """

    def __init__(self, channels: int, norm_cfg: dict = YOLO_NORM, act_cfg: dict = SILU) -> None:
        super().__init__()
        self.bn = build_norm_layer(norm_cfg, channels)[1]
        self.act = build_activation_layer(act_cfg)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return self.act(self.bn(x))


def concat(*maps: Tensor) -> Tensor:
    """Joins maps (N, C_i, H, W) to (N, sum C_i, H, W)."""
    return torch.cat(maps, dim=1)
