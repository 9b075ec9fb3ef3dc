"""Who is responsible for what: anchors by shape, cells by position (YOLOv5, Scaled-YOLOv4).

Source: docs/models.md, measured on the released models. A ground truth may belong to several anchors of several
levels, and beside its own cell to the two nearest neighbours. No gradient, no predictions.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from yolo_plugins.registry import TASK_UTILS

_NEIGHBOUR_REACH = 0.5  # a neighbour cell is taken when the centre is closer than this to it, in cells
_DIRECTIONS = ((0, 0), (1, 0), (0, 1), (-1, 0), (0, -1))  # own cell, left, up, right, down: from there to the centre


class Assignment(NamedTuple):
    """Positive rows of all levels, level by level; duplicates stay, a later row wins an objectness target.

    Attributes:
        levels: (n,) level index, rising.
        images: (n,) image index in the batch.
        anchors: (n,) anchor index in the level.
        rows: (n,) cell row.
        columns: (n,) cell column.
        bboxes_cxcywh: (n, 4) target centre relative to the cell's corner (-0.5..1.5), width, height; in cells.
        labels: (n,) class index.
        anchors_wh: (n, 2) the anchor's size in cells.
    """

    levels: Tensor
    images: Tensor
    anchors: Tensor
    rows: Tensor
    columns: Tensor
    bboxes_cxcywh: Tensor
    labels: Tensor
    anchors_wh: Tensor


@TASK_UTILS.register_module()
class ShapeAssigner:
    """Assigns ground truths to anchors whose sides differ by less than a factor, and to up to three cells.

    Args:
        max_ratio: Largest side ratio (either way round) between box and anchor, exclusive.
        both_sides: Whether a centre exactly on a line between cells takes the neighbours on both sides (YOLOv5, PyTorch
            release of Scaled-YOLOv4) or the one before it alone (the engine of Darknet's configs).
    """

    def __init__(self, max_ratio: float = 4.0, both_sides: bool = True) -> None:
        self.max_ratio, self.both_sides = max_ratio, both_sides

    @torch.no_grad()
    def assign(self, targets: Tensor, anchors: Tensor, strides: Tensor, sizes_wh: Tensor) -> Assignment:
        """Finds the positive rows of every level.

        Rows of a level are ordered own cell, left, up, right, down; within each by anchor, then by target.

        Args:
            targets: (M, 6) image, class, x1, y1, x2, y2 in input pixels.
            anchors: (L, A, 2) anchor width and height in input pixels.
            strides: (L,) input pixels per cell.
            sizes_wh: (L, 2) width and height of each level's map in cells.
        """
        centres, sizes = (targets[:, 4:] + targets[:, 2:4]) / 2, targets[:, 4:] - targets[:, 2:4]
        ratio = sizes / anchors[:, :, None]  # (L, A, M, 2)
        fits = torch.maximum(ratio, 1 / ratio).amax(-1) < self.max_ratio
        bboxes = torch.cat((centres, sizes), 1) / strides[:, None, None]  # (L, M, 4) in cells
        reaches = self._cells(bboxes[..., :2], sizes_wh[:, None])
        # (L, 5, A, M): level-major, then cell, then anchor, then target
        level, direction, anchor, target = (reaches[:, :, None] & fits[:, None]).nonzero(as_tuple=True)

        shifts = bboxes.new_tensor(_DIRECTIONS) * _NEIGHBOUR_REACH
        bboxes = bboxes[level, target]
        cell = torch.minimum((bboxes[:, :2] - shifts[direction]).trunc().clamp(min=0), (sizes_wh - 1)[level])
        bboxes[:, :2] -= cell
        images, labels = targets[target, :2].long().unbind(1)
        columns, rows = cell.long().unbind(1)
        anchors_wh = (anchors / strides[:, None, None])[level, anchor]
        return Assignment(level, images, anchor, rows, columns, bboxes, labels, anchors_wh)

    def _cells(self, centres: Tensor, limit: Tensor) -> Tensor:
        """Whether a centre takes its own cell, and which of the neighbours.

        Args:
            centres: (L, M, 2) in cells.
            limit: (L, 1, 2) width and height of each map in cells.

        Returns:
            (L, 5, M) in the order of `_DIRECTIONS`.
        """
        to_borders = torch.cat((centres, limit - centres), 2)  # left, upper, right, lower
        near = (to_borders % 1 < _NEIGHBOUR_REACH) & (to_borders > 1)
        if not self.both_sides:
            near[..., 2:] &= centres % 1 > 0
        return functional.pad(near, (1, 0), value=True).transpose(1, 2)
