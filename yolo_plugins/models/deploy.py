"""The deploy form of a trained model: the same function, fewer and larger operations."""

import copy
from typing import Any

import torch
from mmcv.cnn import fuse_conv_bn
from torch import Tensor, nn

from yolo_plugins.models.layers import ConvBNAct

CONV_ACT: Any = getattr(torch.ops.mkldnn, "_convolution_pointwise", None)  # None where torch has no oneDNN
_ONEDNN_NAMES = {nn.SiLU: "swish", nn.ReLU: "relu"}  # activations that oneDNN applies while it writes a convolution


def to_deploy(model: nn.Module) -> nn.Module:
    """A copy in evaluation mode whose batch norms are folded into the convolutions before them.

    On a CPU, our convolutions then apply their activation in the same pass, on weights laid out for it.

    Args:
        model: Any network; it is left as it is.

    Returns:
        The copy, without gradients, its weights channels last as the data preprocessor's images are.
    """
    fused = fuse_conv_bn(copy.deepcopy(model).eval())
    for name, module in list(fused.named_modules()):
        if isinstance(module, ConvBNAct):
            parent, _, attribute = name.rpartition(".")
            setattr(fused.get_submodule(parent), attribute, _ConvAct(module.conv, module.act))
    return fused.requires_grad_(False).to(memory_format=torch.channels_last)


class _ConvAct(nn.Module):
    """A convolution and its activation, in one call of oneDNN where that is possible."""

    def __init__(self, conv: nn.Conv2d, act: nn.Module) -> None:
        super().__init__()
        self.conv, self.act = conv, act
        self._packed: Tensor | None = None  # the weights in oneDNN's layout, from the first call on

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_packed": None}  # its layout can be neither copied nor saved

    def _apply(self, *args: Any, **kwargs: Any) -> "_ConvAct":
        self._packed = None  # other weights from here on: another device or type
        return super()._apply(*args, **kwargs)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._packed = None
        super()._load_from_state_dict(*args, **kwargs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) -> (N, C_out, H', W')."""
        if not self._runs_in_one_call(x):
            return self.act(self.conv(x))
        conv = self.conv
        geometry = (conv.padding, conv.stride, conv.dilation, conv.groups)
        if self._packed is None:
            self._packed = torch.ops.mkldnn._reorder_convolution_weight(conv.weight, *geometry, x.shape)
        name = _ONEDNN_NAMES[type(self.act)]
        return CONV_ACT(x, self._packed, conv.bias, *geometry, name, [], "")

    def _runs_in_one_call(self, x: Tensor) -> bool:
        """The call knows plain float32 on the CPU and has no gradient."""
        return (
            CONV_ACT is not None
            and x.device.type == "cpu"
            and x.dtype == self.conv.weight.dtype == torch.float32
            and type(self.act) in _ONEDNN_NAMES
            and not torch.is_grad_enabled()
            and not torch.is_autocast_enabled("cpu")
        )
