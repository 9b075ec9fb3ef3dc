"""Every similarity of boxes against a computation that is not ours."""

import math

import pytest
import torch
from mmdet.models.losses.iou_loss import siou_loss
from torchvision import ops

from yolo_plugins.models.losses import IOU_KINDS


def pairs() -> tuple[torch.Tensor, torch.Tensor]:
    """(300, 4) cxcywh: of many shapes, most overlap, some are apart."""
    generator = torch.Generator().manual_seed(0)
    boxes, targets = torch.rand(2, 300, 4, dtype=torch.float64, generator=generator)
    boxes[:, 2:] += 0.05
    targets[:, 2:] += 0.05
    return boxes * 10, targets * 10


def torchvisions(matrix):
    """A similarity of all pairs of xyxy boxes -> of aligned cxcywh boxes."""
    return lambda boxes, targets: matrix(
        *(ops.box_convert(value, "cxcywh", "xyxy") for value in (boxes, targets))
    ).diag()


def eiou_of_one(box: list[float], target: list[float]) -> float:
    """Equation 10 of Zhang et al., pair by pair."""
    (x, y, w, h), (tx, ty, tw, th) = box, target
    left, right = sorted([x - w / 2, x + w / 2, tx - tw / 2, tx + tw / 2])[:: len(box) - 1]
    top, bottom = sorted([y - h / 2, y + h / 2, ty - th / 2, ty + th / 2])[:: len(box) - 1]
    inside_w = max(w + tw - (right - left), 0)  # what both cover is what is counted twice
    inside_h = max(h + th - (bottom - top), 0)
    if abs(x - tx) < abs(w - tw) / 2:
        inside_w = min(w, tw)
    if abs(y - ty) < abs(h - th) / 2:
        inside_h = min(h, th)
    inside = inside_w * inside_h
    iou = inside / (w * h + tw * th - inside)
    distance = math.hypot(x - tx, y - ty) / math.hypot(right - left, bottom - top)
    return iou - distance**2 - ((w - tw) / (right - left)) ** 2 - ((h - th) / (bottom - top)) ** 2


ORACLES = dict(
    iou=torchvisions(ops.box_iou),
    giou=torchvisions(ops.generalized_box_iou),
    diou=torchvisions(ops.distance_box_iou),
    ciou=torchvisions(ops.complete_box_iou),
    eiou=lambda boxes, targets: torch.tensor(
        list(map(eiou_of_one, boxes.tolist(), targets.tolist())), dtype=torch.float64
    ),
)


def test_every_kind_is_compared():
    assert IOU_KINDS.keys() == ORACLES.keys() | {"siou"}


@pytest.mark.parametrize("kind", ORACLES)
def test_similarity_equals_another_computation(kind):
    boxes, targets = pairs()
    torch.testing.assert_close(IOU_KINDS[kind](boxes, targets), ORACLES[kind](boxes, targets), rtol=0, atol=1e-6)


def test_siou_equals_mmdets_with_the_papers_sign():
    boxes, targets = pairs()
    xyxy = [ops.box_convert(value, "cxcywh", "xyxy") for value in (boxes, targets)]
    theirs = 1 - siou_loss(*xyxy, neg_gamma=True, reduction="none")  # never below -1
    torch.testing.assert_close(IOU_KINDS["siou"](boxes, targets).clamp(min=-1), theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", IOU_KINDS)
def test_equal_boxes_give_one_and_a_finite_gradient(kind):
    boxes = torch.tensor([[0.5, 0.5, 1, 2], [3, 4, 1e-3, 1e-3]], requires_grad=True)
    similarity = IOU_KINDS[kind](boxes, boxes.detach().clone())
    assert similarity[0].item() == pytest.approx(1, abs=1e-6)
    similarity.sum().backward()
    assert boxes.grad.isfinite().all()


@pytest.mark.parametrize("kind", IOU_KINDS)
def test_only_plain_iou_gives_no_gradient_to_boxes_that_are_apart(kind):
    boxes = torch.tensor([[0.0, 0, 1, 1]], requires_grad=True)
    IOU_KINDS[kind](boxes, torch.tensor([[10.0, 10, 1, 2]])).sum().backward()
    assert (boxes.grad.abs().sum() > 0) == (kind != "iou")


@pytest.mark.parametrize(
    ("kind", "lowest"), [("iou", 0), ("giou", -1), ("diou", -1), ("ciou", -1.5), ("eiou", -3), ("siou", -2)]
)
def test_similarity_stays_in_the_range_that_is_stated(kind, lowest):
    boxes, targets = pairs()
    targets[::3, :2] += 1000
    targets[::3, 2:] *= torch.tensor([100, 0.01])
    similarity = IOU_KINDS[kind](boxes, targets)
    assert lowest <= similarity.min() and similarity.max() <= 1


@pytest.mark.parametrize("kind", IOU_KINDS)
def test_no_rounding_of_equal_boxes_gives_nan(kind):
    """An IoU may be rounded to above 1."""
    boxes = torch.rand(100_000, 4, generator=torch.Generator().manual_seed(0)) * 4 + 0.2
    assert IOU_KINDS[kind](boxes, boxes.clone()).isfinite().all()
