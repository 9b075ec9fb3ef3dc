"""Box, objectness and class loss of YOLOv5 and Scaled-YOLOv4; the owner of every scaling.

Source: docs/models.md, measured on the released models. Gains scale with classes, levels and image size here and
nowhere else.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from yolo_plugins.models.losses.iou import complete_iou
from yolo_plugins.registry import MODELS

_REFERENCE_CLASSES = 80  # the class gain is stated for COCO's classes
_REFERENCE_LEVELS = 3  # all gains are stated for three levels
_BALANCE = {3: (4.0, 1.0, 0.4), 4: (4.0, 1.0, 0.25, 0.06), 5: (4.0, 1.0, 0.25, 0.06, 0.02)}  # fine to coarse


@MODELS.register_module()
class YOLOLoss(nn.Module):
    """Sum over levels of (1 - CIoU), objectness BCE and class BCE.

    The objectness target of a positive cell is its CIoU, detached and floored at 0. The class term is absent for a
    single class. Levels without positives still give objectness loss.

    Args:
        box_gain: Weight of the box term at three levels.
        obj_gain: Weight of the objectness term at three levels and at `reference_size`.
        cls_gain: Weight of the class term at three levels and 80 classes.
        balance: Objectness weight of each level, fine to coarse; YOLOv5's values by default.
        reference_size: Objectness is scaled by (long input side / this) squared; `None` leaves it alone
            (Scaled-YOLOv4). Pixels.
        label_smoothing: Class targets are 1 - half of this and half of this.
    """

    def __init__(
        self,
        box_gain: float = 0.05,
        obj_gain: float = 1.0,
        cls_gain: float = 0.5,
        balance: Sequence[float] | None = None,
        reference_size: int | None = 640,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.box_gain, self.obj_gain, self.cls_gain = box_gain, obj_gain, cls_gain
        self.balance = balance
        self.reference_size = reference_size
        self.label_smoothing = label_smoothing

    def forward(
        self,
        obj_logits: Tensor,
        bboxes_cxcywh: Tensor,
        cls_logits: Tensor,
        positives: Tensor,
        target_cxcywh: Tensor,
        labels: Tensor,
        cells_per_level: Sequence[int],
        input_hw: tuple[int, int],
    ) -> dict[str, Tensor]:
        """Means over the batch, with gains.

        Args:
            obj_logits: (P,) raw objectness of every image, anchor and cell, level by level, fine to coarse.
            bboxes_cxcywh: (R, 4) predicted boxes of the positive rows, relative to the cell, in cells.
            cls_logits: (R, K) raw class scores of the positive rows.
            positives: (R,) index into `obj_logits` of each positive row, level by level.
            target_cxcywh: (R, 4) target boxes, as `bboxes_cxcywh`.
            labels: (R,) target classes.
            cells_per_level: Entries of `obj_logits` that belong to each level; they sum to P.
            input_hw: Height and width of the network's input in pixels.

        Returns:
            Scalars `box`, `obj`, `cls`.
        """
        cells = labels.new_tensor(cells_per_level)
        level = torch.bucketize(positives, cells.cumsum(0), right=True)  # (R,)
        row_weight = torch.bincount(level, minlength=len(cells)).to(obj_logits).reciprocal()[level]
        iou = complete_iou(bboxes_cxcywh, target_cxcywh)
        box = ((1 - iou) * row_weight).sum()
        obj = self._objectness(obj_logits, positives, iou.detach(), cells)
        cls = self._classification(cls_logits, labels, row_weight)

        per_level = _REFERENCE_LEVELS / len(cells)
        size_factor = (max(input_hw) / self.reference_size) ** 2 if self.reference_size else 1.0
        class_factor = cls_logits.shape[1] / _REFERENCE_CLASSES
        return dict(
            box=box * (self.box_gain * per_level),
            obj=obj * (self.obj_gain * size_factor * per_level),
            cls=cls * (self.cls_gain * class_factor * per_level),
        )

    def _objectness(self, logits: Tensor, positives: Tensor, iou: Tensor, cells: Tensor) -> Tensor:
        """Balanced sum of each level's mean BCE; where two rows share a cell the later one wins."""
        target = torch.zeros_like(logits)
        target[positives] = iou.clamp(min=0)
        balance = logits.new_tensor(self.balance or _BALANCE[len(cells)])
        weight = (balance / cells).repeat_interleave(cells, output_size=len(logits))
        return functional.binary_cross_entropy_with_logits(logits, target, weight, reduction="sum")

    def _classification(self, logits: Tensor, labels: Tensor, row_weight: Tensor) -> Tensor:
        """Sum of each level's mean BCE over positive rows and classes; 0 for a single class."""
        num_classes = logits.shape[1]
        if num_classes == 1:
            return logits.sum() * 0
        target = torch.full_like(logits, self.label_smoothing / 2)
        target.scatter_(1, labels[:, None], 1 - self.label_smoothing / 2)
        return functional.binary_cross_entropy_with_logits(
            logits, target, row_weight[:, None] / num_classes, reduction="sum"
        )
