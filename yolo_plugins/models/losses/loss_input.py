"""The contract of a loss: what a head hands over."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class LossInput:
    """One batch as a loss sees it: all objectness logits, and the rows that are responsible for an object.

    A loss is a module registered in `MODELS` whose `forward` takes this alone, changes nothing in it and returns
    `dict[str, Tensor]`: terms under names of its own, each a scalar, a mean over the batch, its weight in it. The
    detector back-propagates their sum times the number of images and logs each as `loss_NAME`. R may be 0, in all
    levels or in some, and K may be 1. Floats are float32, also under autocast. Rows come level by level, fine to
    coarse; where two share a cell, the later one is meant to set its objectness target.

    Attributes:
        obj_logits: (P,) raw objectness of every image, cell and anchor, level by level, fine to coarse.
        bboxes_cxcywh: (R, 4) predicted boxes of the positive rows: centre relative to the cell, size; in cells.
        cls_logits: (R, K) raw class scores of the positive rows.
        positives: (R,) index into `obj_logits` of each positive row.
        levels: (R,) level of each positive row, rising.
        target_cxcywh: (R, 4) target boxes, as `bboxes_cxcywh`.
        labels: (R,) target classes, 0..K-1.
        cells_per_level: Entries of `obj_logits` that belong to each level; they sum to P.
        input_hw: Height and width of the network's input in pixels.
    """

    obj_logits: Tensor
    bboxes_cxcywh: Tensor
    cls_logits: Tensor
    positives: Tensor
    levels: Tensor
    target_cxcywh: Tensor
    labels: Tensor
    cells_per_level: Sequence[int]
    input_hw: tuple[int, int]
