"""Box, objectness and class loss of YOLOv5 and Scaled-YOLOv4; the owner of every scaling.

Source: docs/models.md, measured on the released models. Weights scale with classes, levels and image size here and
nowhere else. What the releases do not have is off by default: other kinds of IoU, focusing, auto_balance.
"""

from collections.abc import Sequence

import torch
from mmengine.dist import all_reduce
from torch import Tensor, nn

from yolo_plugins.errors import UsageError
from yolo_plugins.models.losses.loss_input import LossInput
from yolo_plugins.models.losses.terms import BoxTerm, ClsTerm, ObjTerm, build_term
from yolo_plugins.registry import MODELS

_REFERENCE_CLASSES = 80  # the class weight is stated for COCO's classes
_REFERENCE_LEVELS = 3  # all weights are stated for three levels
_BALANCE_OF_THREE = (4.0, 1.0, 0.4)  # objectness weight of each level, fine to coarse, in YOLOv5
_BALANCE = (4.0, 1.0, 0.25, 0.06, 0.02)  # of other numbers of levels: the first of these
_REBALANCE_RATE = 1e-3  # of an iteration: auto_balance follows the last thousand or so
_TINY = 1e-12
_DEFAULTS: dict = {}  # each term has its own


@MODELS.register_module()
class YOLOLoss(nn.Module):
    """Sum over levels of 1 - CIoU, objectness BCE and class BCE; each term is a config.

    The objectness target of a positive cell is its CIoU, detached and floored at 0. The class term is 0 for a single
    class. Levels without positives still give objectness loss.

    Args:
        loss_box: Fields of `BoxTerm`: `weight`, `iou`.
        loss_obj: Fields of `ObjTerm`: `weight` (at `reference_size`), `pos_weight`, `gamma`, `alpha`, `iou_ratio`.
        loss_cls: Fields of `ClsTerm`: `weight` (at 80 classes), `pos_weight`, `gamma`, `alpha`, `label_smoothing`.
        balance: Objectness weight of each level, fine to coarse; YOLOv5's values by default.
        auto_balance: Whether these are only the start, and move until all levels give equal parts of the objectness
            term. Needs `balance`. Each is multiplied by a factor, at first 1, that follows the mean of all parts
            divided by the level's own part: a moving average over iterations and ranks, kept in the checkpoint.
        reference_size: Objectness is scaled by (long input side / this) squared; `None` leaves it alone
            (Scaled-YOLOv4). Pixels.

    Attributes:
        class_weights: (K,) how much an object of each class counts in the class term, on the device of the logits;
            None for all alike. `ClassWeightsHook` sets it.

    Raises:
        UsageError: An option that a term does not know, or a value out of its range.
    """

    level_factors: Tensor  # (L,), with auto_balance alone

    def __init__(
        self,
        loss_box: dict = _DEFAULTS,
        loss_obj: dict = _DEFAULTS,
        loss_cls: dict = _DEFAULTS,
        balance: Sequence[float] | None = None,
        auto_balance: bool = False,
        reference_size: int | None = 640,
    ) -> None:
        super().__init__()
        self.class_weights: Tensor | None = None  # no buffer: the moving average has no copy of it
        self.box = build_term(BoxTerm, "loss_box", loss_box)
        self.obj = build_term(ObjTerm, "loss_obj", loss_obj)
        self.cls = build_term(ClsTerm, "loss_cls", loss_cls)
        self.balance = balance
        self.auto_balance = auto_balance
        self.reference_size = reference_size
        if auto_balance:
            if not balance:
                raise UsageError(f"auto_balance without balance; state where it starts: balance={_BALANCE_OF_THREE}")
            self.register_buffer("level_factors", torch.ones(len(balance)))

    def forward(self, inputs: LossInput) -> dict[str, Tensor]:
        """Scalars `box`, `obj`, `cls`: means over the batch, weighted.

        Raises:
            UsageError: `balance` is of another number of levels.
        """
        levels, num_classes = len(inputs.cells_per_level), inputs.cls_logits.shape[1]
        row_weight = torch.bincount(inputs.levels, minlength=levels).to(inputs.obj_logits).reciprocal()[inputs.levels]
        similarity = self.box.similarity(inputs.bboxes_cxcywh, inputs.target_cxcywh)
        box = ((1 - similarity) * row_weight).sum()
        obj = self._objectness(inputs, similarity)
        cls = self._classification(inputs, row_weight)

        per_level = _REFERENCE_LEVELS / levels
        size_factor = (max(inputs.input_hw) / self.reference_size) ** 2 if self.reference_size else 1.0
        class_factor = num_classes / _REFERENCE_CLASSES
        return dict(
            box=box * (self.box.weight * per_level),
            obj=obj * (self.obj.weight * size_factor * per_level),
            cls=cls * (self.cls.weight * class_factor * per_level),
        )

    def _objectness(self, inputs: LossInput, similarity: Tensor) -> Tensor:
        """Balanced sum of each level's mean BCE; where two rows share a cell the later one wins."""
        logits, cells = inputs.obj_logits, list(inputs.cells_per_level)
        target = torch.zeros_like(logits)
        target[inputs.positives] = self.obj.target(similarity)[last_rows(inputs.positives, len(target))]
        sums = [self.obj.weighted_sum(*level) for level in zip(logits.split(cells), target.split(cells), strict=True)]
        means = torch.stack(sums) / logits.new_tensor(cells).clamp(min=1)
        balance = logits.new_tensor(self._balance_of(len(cells)))
        if self.auto_balance:
            if self.training:
                self._rebalance(balance * means.detach())
            balance = balance * self.level_factors
        return (balance * means).sum()

    def _balance_of(self, levels: int) -> Sequence[float]:
        stated = self.balance or (_BALANCE_OF_THREE if levels == len(_BALANCE_OF_THREE) else _BALANCE[:levels])
        if len(stated) != levels:
            raise UsageError(f"loss.balance has {len(stated)} numbers for {levels} levels; give one for each level")
        return stated

    def _rebalance(self, parts: Tensor) -> None:
        """Moves each level's factor towards the one with which all levels give equal parts, (L,)."""
        all_reduce(parts, op="mean")
        self.level_factors.lerp_(parts.mean() / parts.clamp(min=_TINY), _REBALANCE_RATE)

    def _classification(self, inputs: LossInput, row_weight: Tensor) -> Tensor:
        """Sum of each level's mean BCE over positive rows and classes; 0 for a single class."""
        logits = inputs.cls_logits
        num_classes = logits.shape[1]
        if num_classes == 1:
            return logits.sum() * 0
        if self.class_weights is not None:
            row_weight = row_weight * self.class_weights[inputs.labels]
        return self.cls.weighted_sum(logits, self.cls.target(inputs.labels, logits), row_weight[:, None] / num_classes)


def last_rows(cells: Tensor, count: int) -> Tensor:
    """For each row the last one that has the same cell.

    An assignment by index keeps any of several values for a cell on a GPU, and the last one only on a single thread.

    Args:
        cells: (n,) cell of each row, 0 .. count - 1.
        count: Number of cells.

    Returns:
        (n,) row numbers.
    """
    rows = torch.arange(len(cells), device=cells.device)
    return rows.new_zeros(count).scatter_reduce_(0, cells, rows, "amax")[cells]
