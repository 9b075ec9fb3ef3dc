"""Similarities of aligned boxes: intersection over union, and what six papers subtract from it.

Every function takes (n, 4) boxes and (n, 4) boxes to compare with, centre and size in one unit, and gives (n,): 1 for
equal boxes, less for others. Sides are positive; a small number keeps quotients finite where they are not.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

_EPS = 1e-7
_SHAPE_POWER = 4  # theta of SIoU: the paper finds 2 to 6, "close to 4"


class _Pair(NamedTuple):
    """Centres and sides (n, 2) of both, IoU and union (n,), sides (n, 2) of the smallest box around both."""

    xy: Tensor
    wh: Tensor
    target_xy: Tensor
    target_wh: Tensor
    iou: Tensor
    union: Tensor
    around_wh: Tensor


def _pair(bboxes_cxcywh: Tensor, target_cxcywh: Tensor) -> _Pair:
    xy, wh = bboxes_cxcywh.split(2, 1)
    target_xy, target_wh = target_cxcywh.split(2, 1)
    half, target_half = wh / 2, target_wh / 2
    low, high = xy - half, xy + half
    target_low, target_high = target_xy - target_half, target_xy + target_half
    overlap = _product((torch.minimum(high, target_high) - torch.maximum(low, target_low)).clamp(min=0))
    union = _product(wh) + _product(target_wh) - overlap + _EPS
    around_wh = torch.maximum(high, target_high) - torch.minimum(low, target_low)
    return _Pair(xy, wh, target_xy, target_wh, overlap / union, union, around_wh)


def _product(pairs: Tensor) -> Tensor:
    """(n, 2) -> (n,). The gradient of `prod` looks for zeros first, and waits for the GPU to find them."""
    first, second = pairs.unbind(1)
    return first * second


def _distance(pair: _Pair) -> Tensor:
    """(n,) squared distance of the centres, as a share of the squared diagonal of the box around both."""
    diagonal2 = pair.around_wh.square().sum(1) + _EPS
    return (pair.target_xy - pair.xy).square().sum(1) / diagonal2


def plain_iou(bboxes_cxcywh: Tensor, target_cxcywh: Tensor) -> Tensor:
    """Intersection over union, 0..1. Without gradient where boxes are apart."""
    return _pair(bboxes_cxcywh, target_cxcywh).iou


def generalized_iou(bboxes_cxcywh: Tensor, target_cxcywh: Tensor) -> Tensor:
    """GIoU, -1..1: less the share of the box around both that neither fills (Rezatofighi et al., CVPR 2019)."""
    pair = _pair(bboxes_cxcywh, target_cxcywh)
    around = _product(pair.around_wh) + _EPS
    return pair.iou - (around - pair.union) / around


def distance_iou(bboxes_cxcywh: Tensor, target_cxcywh: Tensor) -> Tensor:
    """DIoU, -1..1: less the centres' distance (Zheng et al., "Distance-IoU loss", AAAI 2020)."""
    pair = _pair(bboxes_cxcywh, target_cxcywh)
    return pair.iou - _distance(pair)


def complete_iou(bboxes_cxcywh: Tensor, target_cxcywh: Tensor) -> Tensor:
    """CIoU, -1.5..1: DIoU less alpha times the difference v of the sides' ratios (Zheng et al., AAAI 2020).

    alpha = v / (v - IoU + 1), through which no gradient flows, is not gated at IoU > 0.5, as in YOLOv5; mmdet's is.
    """
    pair = _pair(bboxes_cxcywh, target_cxcywh)
    distance = _distance(pair)
    angle, target_angle = (torch.atan(w / (h + _EPS)) for w, h in (pair.wh.unbind(1), pair.target_wh.unbind(1)))
    v = 4 / math.pi**2 * (target_angle - angle).square()
    with torch.no_grad():
        alpha = v / (v - pair.iou + (1 + _EPS)).clamp(min=_EPS)  # equal boxes: their IoU may be rounded to above 1
    return pair.iou - distance - alpha * v


def efficient_iou(bboxes_cxcywh: Tensor, target_cxcywh: Tensor) -> Tensor:
    """EIoU, -3..1: DIoU less the differences of widths and of heights (Zhang et al., arXiv 2101.08158, not focal).

    Each is squared, as a share of the squared side of the box around both. mmdet's EIoULoss is Extended-IoU, another.
    """
    pair = _pair(bboxes_cxcywh, target_cxcywh)
    sides = (pair.target_wh - pair.wh).square() / (pair.around_wh.square() + _EPS)
    return pair.iou - _distance(pair) - sides.sum(1)


def scylla_iou(bboxes_cxcywh: Tensor, target_cxcywh: Tensor) -> Tensor:
    """SIoU, -2..1: less half of a cost of distance and angle and of a cost of shape (Gevorgyan, arXiv 2205.12740).

    The paper's angle cost 1 - 2 sin^2(asin(x) - pi/4) with x = sin(a) is sin(2 a) = 2 |dx dy| / distance^2.
    """
    pair = _pair(bboxes_cxcywh, target_cxcywh)
    offset = pair.target_xy - pair.xy
    angle = 2 * _product(offset).abs() / (offset.square().sum(1) + _EPS)
    shares = offset.square() / (pair.around_wh.square() + _EPS)  # (n, 2) in x and in y
    distance = (1 - torch.exp((angle - 2)[:, None] * shares)).sum(1)
    omega = (pair.target_wh - pair.wh).abs() / (torch.maximum(pair.wh, pair.target_wh) + _EPS)
    shape = (1 - torch.exp(-omega)).pow(_SHAPE_POWER).sum(1)
    return pair.iou - (distance + shape) / 2


IOU_KINDS: dict[str, Callable[[Tensor, Tensor], Tensor]] = dict(
    ciou=complete_iou,
    iou=plain_iou,
    giou=generalized_iou,
    diou=distance_iou,
    eiou=efficient_iou,
    siou=scylla_iou,
)
