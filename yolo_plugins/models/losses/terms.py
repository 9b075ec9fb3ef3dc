"""The three terms of `YOLOLoss`: what a config says of each, checked, and the function that follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import inf
from typing import TypeVar

from torch import Tensor
from torch.nn import functional

from yolo_plugins.errors import UsageError
from yolo_plugins.models.losses.iou import IOU_KINDS

Term = TypeVar("Term", "BoxTerm", "ObjTerm", "ClsTerm")


def build_term(kind: type[Term], option: str, cfg: Mapping) -> Term:
    """A term from its config.

    Raises:
        UsageError: Names the option and what is unknown or out of range in it, with what is known.
    """
    known = [field.name for field in fields(kind)]
    for name in cfg:
        if name not in known:
            raise UsageError(f"{option} takes no {name!r}; known are {', '.join(known)}")
    try:
        return kind(**cfg)
    except UsageError as error:
        raise UsageError(f"{option}.{error}") from error


def _check(name: str, value: float, low: float, high: float = inf) -> None:
    if not (isinstance(value, int | float) and low <= value <= high):
        upper = "" if high == inf else f" to {high:g}"
        raise UsageError(f"{name}={value!r}; give a number from {low:g}{upper}")


@dataclass(frozen=True)
class BoxTerm:
    """1 less the similarity of predicted and target box.

    Attributes:
        weight: At three levels.
        iou: The similarity: a name of `IOU_KINDS`.
    """

    weight: float = 0.05
    iou: str = "ciou"

    def __post_init__(self) -> None:
        _check("weight", self.weight, 0)
        if self.iou not in IOU_KINDS:
            raise UsageError(f"iou={self.iou!r}; known are {', '.join(IOU_KINDS)}")

    def similarity(self, bboxes_cxcywh: Tensor, target_cxcywh: Tensor) -> Tensor:
        """(n, 4) and (n, 4) -> (n,), 1 for equal boxes."""
        return IOU_KINDS[self.iou](bboxes_cxcywh, target_cxcywh)


@dataclass(frozen=True)
class _LogitTerm:
    """Binary cross-entropy of logits, focal where `gamma` or `alpha` is given (Lin et al., ICCV 2017).

    Attributes:
        weight: At three levels.
        pos_weight: Factor of what pulls a logit up.
        gamma: Exponent of what is still missing to the target; 0 switches focusing off, the paper takes 2.
        alpha: Weight of what pulls up; of what pulls down 1 less it. `None` weighs neither, the paper takes 0.25.
    """

    weight: float
    pos_weight: float = 1.0
    gamma: float = 0.0
    alpha: float | None = None

    def __post_init__(self) -> None:
        _check("weight", self.weight, 0)
        _check("pos_weight", self.pos_weight, 0)
        _check("gamma", self.gamma, 0)
        if 0 < self.gamma < 1:  # the gradient of what is learned would be infinite
            raise UsageError(f"gamma={self.gamma!r}; give a number from 1, or 0 for none")
        if self.alpha is not None:
            _check("alpha", self.alpha, 0, 1)
        if self._is_focal and self.pos_weight != 1:
            raise UsageError(f"pos_weight={self.pos_weight!r} beside gamma or alpha; give alpha alone")

    @property
    def _is_focal(self) -> bool:
        return self.gamma != 0 or self.alpha is not None

    def weighted_sum(self, logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        """Scalar sum over logits and targets (0..1) of one shape, with weights that broadcast to it, or 1."""
        if self._is_focal:
            from torchvision.ops import sigmoid_focal_loss  # half a second, for those who focus

            alpha = -1.0 if self.alpha is None else self.alpha  # torchvision's -1 weighs neither
            terms = sigmoid_focal_loss(logits, target, alpha, self.gamma)
            return (terms if weights is None else terms * weights).sum()
        pos_weight = None if self.pos_weight == 1 else logits.new_tensor(self.pos_weight)
        return functional.binary_cross_entropy_with_logits(
            logits, target, weights, reduction="sum", pos_weight=pos_weight
        )


@dataclass(frozen=True)
class ObjTerm(_LogitTerm):
    """Objectness.

    Attributes:
        iou_ratio: The target of a positive cell is (1 - this) + this times its box's similarity, floored at 0.
    """

    weight: float = 1.0
    iou_ratio: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check("iou_ratio", self.iou_ratio, 0, 1)

    def target(self, similarity: Tensor) -> Tensor:
        """(n,) similarities -> (n,) objectness targets, 0..1; no gradient."""
        return (1 - self.iou_ratio) + self.iou_ratio * similarity.detach().clamp(min=0)


@dataclass(frozen=True)
class ClsTerm(_LogitTerm):
    """Class.

    Attributes:
        label_smoothing: Targets are 1 less half of this, and half of this.
    """

    weight: float = 0.5
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check("label_smoothing", self.label_smoothing, 0, 1)

    def target(self, labels: Tensor, like: Tensor) -> Tensor:
        """(n,) labels -> (n, K) class targets, of the shape and type of `like`."""
        return like.new_full(like.shape, self.label_smoothing / 2).scatter_(
            1, labels[:, None], 1 - self.label_smoothing / 2
        )
