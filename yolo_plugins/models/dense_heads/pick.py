"""Objectness of all cells and whole rows of a few, out of one raw output a level."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def pick(raw: Sequence[Tensor], positives: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, Tensor]:
    """What a loss needs of the raw outputs, in float32.

    Its gradient is written into one map a level. Plain indexing fills two of that size and adds them: with it, loss and
    backward of YOLOv5-n (320 px, 16 images, CPU) take 1.25 to 1.40 times as long.

    Args:
        raw: (N, A, H_l, W_l, 5 + K) a level: x, y, w, h, objectness, classes.
        positives: (R_l,) image, anchor, row and column of the rows wanted, a level; they may repeat.

    Returns:
        (P,) objectness logits of all cells and (R, 5 + K) rows, both level by level.
    """
    return _Pick.apply(positives, *raw)


class _Pick(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, positives: Sequence[tuple[Tensor, ...]], *raw: Tensor) -> tuple[Tensor, Tensor]:
        ctx.positives, ctx.raw = positives, [level.detach() for level in raw]
        obj_logits = torch.cat([level[..., 4].flatten() for level in raw]).float()
        rows = torch.cat([level[index] for level, index in zip(raw, positives, strict=True)]).float()
        return obj_logits, rows

    @staticmethod
    def backward(ctx: Any, obj_gradient: Tensor, row_gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of both outputs -> gradients of the levels; repeated rows add up."""
        obj_parts = obj_gradient.split([level[..., 4].numel() for level in ctx.raw])
        row_parts = row_gradient.split([len(index[0]) for index in ctx.positives])
        gradients = []
        for level, index, obj_part, row_part in zip(ctx.raw, ctx.positives, obj_parts, row_parts, strict=True):
            gradient = torch.zeros_like(level)
            gradient[..., 4] = obj_part.view(level.shape[:-1])
            gradients.append(gradient.index_put_(index, row_part.to(gradient), accumulate=True))
        return None, *gradients
