"""Stands in for `mmcv._ext`, mmcv's compiled operators: what torchvision has with the same result is served.

Calls, names and argument order are mmcv's: an operator writes into the buffers that it is given. `roi_pool` is not
served: torchvision rounds its boxes, mmcv does not. Any other name is a function that raises `UsageError`.
"""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import torch
import torchvision.ops
from torch import Tensor

from yolo_plugins.errors import UsageError


def __getattr__(name: str) -> Callable[..., NoReturn]:
    """An operator that raises `UsageError` when it is called; mmcv looks for all of them when it is imported."""
    if name.startswith("__"):
        raise AttributeError(name)
    return lambda *args, **kwargs: _refuse(name)


def _refuse(operator: str) -> NoReturn:
    raise UsageError(
        f"mmcv's operator {operator} is not compiled in this environment: compile it with `make setup OPS=1`"
    )


def get_compiler_version() -> str:
    """What MMDetection's report on the environment prints."""
    return "not compiled"


def get_compiling_cuda_version() -> str:
    """What MMDetection's report on the environment prints."""
    return "not available"


def _differentiate(
    function: Callable[..., Tensor], inputs: Sequence[Tensor], grad_output: Tensor, gradients: Sequence[Tensor]
) -> None:
    """Writes the gradients of `function(*inputs)` into the buffers `gradients`, one for each input."""
    with torch.enable_grad():
        leaves = [tensor.detach().requires_grad_() for tensor in inputs]
        found = torch.autograd.grad(function(*leaves), leaves, grad_output)
    for buffer, gradient in zip(gradients, found, strict=True):
        buffer.copy_(gradient)


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Indices of the boxes that stay, best first; a box that ends at pixel x is `offset` (0 or 1) wider than x - x1."""
    threshold = torch.tensor(
        iou_threshold, dtype=torch.float32
    ).item()  # mmcv's precision: an IoU of just 0.3 is no more
    return torchvision.ops.nms(boxes + boxes.new_tensor([0, 0, offset, offset]), scores, threshold)


def _roi_align(image: Tensor, rois: Tensor, geometry: dict[str, Any]) -> Tensor:
    if geometry["pool_mode"] != 1:
        _refuse("roi_align with pool_mode='max'")
    size = (geometry["aligned_height"], geometry["aligned_width"])
    options = {key: geometry[key] for key in ("spatial_scale", "sampling_ratio", "aligned")}
    return torchvision.ops.roi_align(image, rois, size, **options)


def roi_align_forward(
    image: Tensor, rois: Tensor, output: Tensor, argmax_y: Tensor, argmax_x: Tensor, **geometry: Any
) -> None:
    """Mean of each cell of each RoI, (R, 5) as (image, xyxy), into `output`, (R, C, h, w)."""
    output.copy_(_roi_align(image, rois, geometry))


def roi_align_backward(
    grad_output: Tensor, rois: Tensor, argmax_y: Tensor, argmax_x: Tensor, grad_input: Tensor, **geometry: Any
) -> None:
    """Gradient with respect to the images; RoIAlign is linear in them, so their values do not matter."""
    _differentiate(lambda image: _roi_align(image, rois, geometry), [grad_input], grad_output, [grad_input])


def _deform_conv(geometry: dict[str, Any]) -> Callable[..., Tensor]:
    """Deformable convolution `(input, offset, weight, mask=None, bias=None)` with mmcv's words for its geometry."""
    if "dH" in geometry:
        words = ("dH", "dW", "padH", "padW", "dilationH", "dilationW")
    else:
        words = ("stride_h", "stride_w", "pad_h", "pad_w", "dilation_h", "dilation_w")
    values = [geometry[word] for word in words]

    def convolve(
        image: Tensor, offset: Tensor, weight: Tensor, mask: Tensor | None = None, bias: Tensor | None = None
    ) -> Tensor:
        pairs = {"stride": values[:2], "padding": values[2:4], "dilation": values[4:]}
        return torchvision.ops.deform_conv2d(image, offset, weight, bias, mask=mask, **pairs)

    return convolve


def deform_conv_forward(
    image: Tensor, weight: Tensor, offset: Tensor, output: Tensor, columns: Tensor, ones: Tensor, **geometry: Any
) -> None:
    """Deformable convolution, first version."""
    output.copy_(_deform_conv(geometry)(image, offset, weight))


def deform_conv_backward_input(
    image: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    **geometry: Any,
) -> None:
    """Gradients with respect to images and offsets."""
    convolve = _deform_conv(geometry)
    _differentiate(
        lambda image, offset: convolve(image, offset, weight), [image, offset], grad_output, [grad_input, grad_offset]
    )


def deform_conv_backward_parameters(
    image: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    **geometry: Any,
) -> None:
    """Gradient with respect to the weights."""
    convolve = _deform_conv(geometry)
    _differentiate(lambda weight: convolve(image, offset, weight), [grad_weight], grad_output, [grad_weight])


def modulated_deform_conv_forward(
    image: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    **geometry: Any,
) -> None:
    """Deformable convolution, second version: each sample has a weight of its own, `mask`."""
    output.copy_(_deform_conv(geometry)(image, offset, weight, mask, bias if geometry["with_bias"] else None))


def modulated_deform_conv_backward(
    image: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    **geometry: Any,
) -> None:
    """Gradients with respect to all five inputs; four where there is no bias."""
    inputs, gradients = [image, offset, weight, mask], [grad_input, grad_offset, grad_weight, grad_mask]
    if geometry["with_bias"]:
        inputs, gradients = [*inputs, bias], [*gradients, grad_bias]
    _differentiate(_deform_conv(geometry), inputs, grad_output, gradients)


def _sigmoid_focal_loss(logits: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float) -> Tensor:
    if weight.numel():
        _refuse("sigmoid_focal_loss with class weights")
    classes = torch.arange(logits.shape[1], device=logits.device)
    one_hot = (target[:, None] == classes).to(logits.dtype)  # a row of the background has no class: zeros
    return torchvision.ops.sigmoid_focal_loss(logits, one_hot, alpha, gamma)


def sigmoid_focal_loss_forward(
    logits: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Focal loss of each logit, (N, K), for targets 0 .. K - 1 or K, the background; mmcv calls it on GPUs only."""
    output.copy_(_sigmoid_focal_loss(logits, target, weight, gamma, alpha))


def sigmoid_focal_loss_backward(
    logits: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Gradient of the sum of the losses with respect to the logits."""
    _differentiate(
        lambda logits: _sigmoid_focal_loss(logits, target, weight, gamma, alpha),
        [logits],
        torch.ones_like(logits),
        [grad_input],
    )
