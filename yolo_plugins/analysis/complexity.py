"""Parameters and multiply-accumulates of a detector's parts, measured on the object itself.

Convolutions and matrix products are counted by torch's own flop counter, which counts two operations for each
multiply-accumulate. The one place of this package where the two meet: flops = 2 * macs.
"""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

_PARTS = {"backbone": "backbone", "neck": "neck", "head": "bbox_head"}


def flops_of(macs: int) -> int:
    """Floating-point operations of so many multiply-accumulates."""
    return 2 * macs


def summarize(model: nn.Module, input_hw: tuple[int, int]) -> dict[str, int]:
    """Parameters, multiply-accumulates and operations of one image, by part and in total.

    Args:
        model: A detector with `backbone`, `neck` and `bbox_head`; left as it is.
        input_hw: Height and width of the input in pixels.

    Returns:
        `params`, `macs`, `flops` and, with the suffixes `_backbone`, `_neck`, `_head`, those of the parts.
    """
    macs = _count_macs(model, input_hw)
    counts = {}
    for part, name in _PARTS.items():
        counts[f"params_{part}"] = sum(p.numel() for p in getattr(model, name).parameters())
        counts[f"macs_{part}"] = macs[name]
        counts[f"flops_{part}"] = flops_of(macs[name])
    counts["params"] = sum(p.numel() for p in model.parameters())
    counts["macs"] = sum(macs.values())
    counts["flops"] = flops_of(counts["macs"])
    return counts


def _count_macs(model: nn.Module, input_hw: tuple[int, int]) -> dict[str, int]:
    """Multiply-accumulates of each part for one image, in evaluation mode."""
    training = model.training
    device = next(model.parameters()).device
    counter = FlopCounterMode(display=False)
    model.eval()
    try:
        with torch.no_grad(), counter:
            model(torch.zeros(1, 3, *input_hw, device=device), mode="tensor")
    finally:
        model.train(training)
    counts = counter.get_flop_counts()
    root = type(model).__name__
    return {name: sum(counts.get(f"{root}.{name}", {}).values()) // 2 for name in _PARTS.values()}
