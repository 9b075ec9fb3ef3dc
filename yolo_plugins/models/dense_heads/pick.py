"""Objectness of all cells and whole rows of a few, out of one raw output a level."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def pick(raw: Sequence[Tensor], places: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """What a loss needs of the raw outputs, in float32.

    Cells are taken in the order in which a channels-last convolution writes them, image, row, column, anchor: in
    another, each piece of memory would be fetched several times. The gradient is written into one map a level. Plain
    indexing fills two of that size and adds them: with it, loss and backward of YOLOv5-n (320 px, 16 images, CPU) take
    1.25 to 1.40 times as long.

    Args:
        raw: (N, A, H_l, W_l, 5 + K) a level: x, y, w, h, objectness, classes.
        places: (R_l,) the rows wanted of each level, counted in the order above; they may repeat.

    Returns:
        (P,) objectness logits of all cells and (R, 5 + K) rows, both level by level.
    """
    # (N, A, H, W, 5+K) -> (N*H*W*A, 5+K), a view where memory is channels last
    return _Pick.apply(places, *(level.permute(0, 2, 3, 1, 4).flatten(0, 3) for level in raw))


class _Pick(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, places: Sequence[Tensor], *levels: Tensor) -> tuple[Tensor, Tensor]:
        ctx.places, ctx.levels = places, [level.detach() for level in levels]
        obj_logits = torch.cat([level[:, 4] for level in levels]).float()
        rows = torch.cat([level[index] for level, index in zip(levels, places, strict=True)]).float()
        return obj_logits, rows

    @staticmethod
    def backward(ctx: Any, obj_gradient: Tensor, row_gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of both outputs -> gradients of the levels; repeated rows add up."""
        obj_parts = obj_gradient.split([len(level) for level in ctx.levels])
        row_parts = row_gradient.split([len(index) for index in ctx.places])
        gradients = []
        for level, index, obj_part, row_part in zip(ctx.levels, ctx.places, obj_parts, row_parts, strict=True):
            gradient = torch.zeros_like(level)
            gradient[:, 4] = obj_part
            gradients.append(gradient.index_put_((index,), row_part.to(gradient), accumulate=True))
        return None, *gradients
