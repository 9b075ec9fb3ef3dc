"""Batch norms as after a training, for tests that compare two forms of one network."""

from typing import Any

import torch
from torch import Tensor, nn

# Of the variances. With 1, rounding errors grow by 1.14 a layer in networks without shortcuts, and InceptionV4's single
# images deviate from their batch by 3e-4; with 1.2 by 1e-5, and its last map still follows the image.
_DAMPING = 1.2
_LEAST = 0.1  # of a layer's mean variance: what a dead channel would be divided by is rounding


@torch.no_grad()
def settle_norms(model: nn.Module, images: Tensor) -> None:
    """Gives batch norms random weights and, nearly, the statistics of these images.

    Fresh statistics, 0 and 1, hide that they get lost; arbitrary ones let the image fade on its way to the last layers.

    Args:
        model: Any network, in evaluation mode; it is changed.
        images: (N, 3, H, W), two or more.
    """
    norms: list[Any] = [norm for norm in model.modules() if getattr(norm, "running_var", None) is not None]
    for norm in norms:
        norm.train().momentum = 1.0
        if norm.weight is not None:
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.uniform_(-0.2, 0.2)
    model(images)
    for norm in norms:
        norm.eval().running_var.mul_(_DAMPING).clamp_(min=_LEAST * norm.running_var.mean().item())
