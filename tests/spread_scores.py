"""Detectors with random weights that find something."""

import torch
from torch import nn


@torch.no_grad()
def spread_scores(detector: nn.Module, images: torch.Tensor) -> None:
    """Makes a fresh head find some boxes, none of a score of 0 or 1, as equal scores have no order to compare."""

    def settle(module, _, output):
        hooks.pop(module).remove()  # of the levels that share it the first decides
        scale, before = output.std().clamp(min=1e-3), module.bias.clone()
        module.weight.div_(scale)
        module.bias.copy_(torch.randn_like(before) * 0.5 - 1)
        return (output - before.view(-1, 1, 1)) / scale + module.bias.view(-1, 1, 1)

    convolutions = [module for module in detector.bbox_head.modules() if isinstance(module, nn.Conv2d)]
    hooks = {module: module.register_forward_hook(settle) for module in convolutions if module.bias is not None}
    detector(images, mode="tensor")
