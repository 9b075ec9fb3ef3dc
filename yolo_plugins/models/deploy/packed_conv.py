"""Convolutions as oneDNN likes them on a CPU: weights in its own layout, the activation in the same pass."""

from typing import Any

import torch
from torch import Tensor, nn

CONV_ACT: Any = getattr(torch.ops.mkldnn, "_convolution_pointwise", None)  # None where torch has no oneDNN
# Name and scalars of what oneDNN applies while it writes a convolution.
_ONEDNN_ACTS: dict[type[nn.Module], tuple[str, list[float]]] = {
    nn.Identity: ("none", []),
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
    nn.SiLU: ("swish", []),
    nn.Hardswish: ("hardswish", []),
}


def is_packable(module: nn.Module) -> bool:
    """Whether a module is what oneDNN computes: a convolution with zero padding of given width, nothing around it."""
    return (
        type(module) is nn.Conv2d
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
        and not module._forward_hooks
        and not module._forward_pre_hooks
    )


def is_act(module: nn.Module) -> bool:
    """Whether oneDNN can apply a module within a convolution."""
    return type(module) in _ONEDNN_ACTS and not isinstance(module, nn.Identity)


class PackedConv(nn.Conv2d):
    """A convolution and the activation after it, in one call of oneDNN where that is possible.

    Args:
        conv: One that `is_packable`; its weights are shared.
        act: Identity, or an activation that `is_act`.
    """

    def __init__(self, conv: nn.Conv2d, act: nn.Module) -> None:
        like: Any = conv  # torch's annotations give its pairs any length
        super().__init__(
            like.in_channels,
            like.out_channels,
            like.kernel_size,
            like.stride,
            like.padding,
            like.dilation,
            like.groups,
            device="meta",  # its weights are replaced
        )
        self.weight, self.bias, self.act = conv.weight, conv.bias, act
        self._packed: Tensor | None = None  # the weights in oneDNN's layout, from the first call on

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_packed": None}  # its layout can be neither copied nor saved

    def _apply(self, *args: Any, **kwargs: Any) -> "PackedConv":
        self._packed = None  # other weights from here on: another device or type
        return super()._apply(*args, **kwargs)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._packed = None
        super()._load_from_state_dict(*args, **kwargs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) -> (N, C_out, H', W')."""
        if not self._runs_in_one_call(x):
            return self.act(super().forward(x))
        geometry = (self.padding, self.stride, self.dilation, self.groups)
        if self._packed is None:
            self._packed = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *geometry, x.shape)
        return CONV_ACT(x, self._packed, self.bias, *geometry, *_ONEDNN_ACTS[type(self.act)], "")

    def _runs_in_one_call(self, x: Tensor) -> bool:
        """No exporter knows the call; it knows float32 batches on the CPU and has no gradient."""
        return (
            not torch.jit.is_tracing()
            and not torch.compiler.is_compiling()
            and CONV_ACT is not None
            and x.device.type == "cpu"
            and x.dtype == self.weight.dtype == torch.float32
            and x.dim() == 4
            and not torch.is_grad_enabled()
            and not torch.is_autocast_enabled("cpu")
        )
