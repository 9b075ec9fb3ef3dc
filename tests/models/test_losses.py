"""The loss against numbers of the reference implementation, and its limits."""

import json
import math

import pytest
import torch

from yolo_plugins.models.dense_heads import YOLOAnchorHead
from yolo_plugins.models.losses import YOLOLoss, complete_iou


@pytest.fixture(scope="module")
def oracle(golden_dir) -> dict:
    return json.loads((golden_dir / "loss_oracle.json").read_text())


def formula_levels(num_classes: int = 20, input_size: int = 320) -> list[torch.Tensor]:
    """The oracle's raw outputs: 2 sin(0.37 k + 0.11 h), k counted in C order."""
    levels = []
    for h in (input_size // 8, input_size // 16, input_size // 32):
        shape = (2, 3, h, h, 5 + num_classes)
        k = torch.arange(math.prod(shape), dtype=torch.float64)
        levels.append((2 * torch.sin(0.37 * k + 0.11 * h)).float().reshape(shape).requires_grad_())
    return levels


def oracle_targets(oracle: dict, input_size: int = 320) -> torch.Tensor:
    rows = torch.tensor(oracle["loss_inputs"]["targets(img,cls,cx,cy,w,h)"])
    index, centre, size = rows.split((2, 2, 2), 1)
    return torch.cat((index, (centre - size / 2) * input_size, (centre + size / 2) * input_size), 1)


def head(num_classes: int = 20) -> YOLOAnchorHead:
    # stated gains: box .05, cls .5, obj 1 at 640 px
    return YOLOAnchorHead(num_classes, in_channels=[8, 8, 8], strides=[8, 16, 32])


def test_loss_equals_oracle(oracle):
    expected = oracle["loss_expected"]["yolov5_nc20_320"]
    terms = head().loss(formula_levels(), oracle_targets(oracle), (320, 320))
    for name in ("box", "obj", "cls"):
        assert terms[name].item() == pytest.approx(expected[name], rel=1e-5)
    assert 2 * sum(terms.values()).item() == pytest.approx(expected["total"], rel=1e-5)


def test_loss_without_targets_equals_oracle(oracle):
    expected = oracle["loss_expected"]["yolov5_nc20_320_empty"]
    levels = formula_levels()
    terms = head().loss(levels, torch.zeros(0, 6), (320, 320))
    assert terms["obj"].item() == pytest.approx(expected["obj"], rel=1e-5)
    assert terms["box"].item() == terms["cls"].item() == 0
    sum(terms.values()).backward()
    assert all(level.grad[..., 4].abs().sum() > 0 and level.grad[..., :4].abs().sum() == 0 for level in levels)


def test_class_term_is_absent_for_one_class(oracle):
    targets = oracle_targets(oracle)
    targets[:, 1] = 0
    assert head(num_classes=1).loss(formula_levels(1), targets, (320, 320))["cls"].item() == 0


def test_gradient_of_picked_rows_equals_plain_indexing(oracle):
    """The head's own gather against autograd's, on rows that repeat."""
    ours, plain = formula_levels(), formula_levels()
    module = head()
    sum(module.loss(ours, oracle_targets(oracle), (320, 320)).values()).backward()
    sizes = torch.tensor([[40.0, 40], [20, 20], [10, 10]])
    assigned = module.assigner.assign(oracle_targets(oracle), module.anchors, torch.tensor([8.0, 16, 32]), sizes)
    rows = torch.cat(
        [
            level[
                tuple(
                    v[assigned.levels == i]
                    for v in (assigned.images, assigned.anchors, assigned.rows, assigned.columns)
                )
            ]
            for i, level in enumerate(plain)
        ]
    )
    obj = torch.cat([level[..., 4].flatten() for level in plain])
    cells = [level[..., 4].numel() for level in plain]
    index = module._flat_index(assigned, sizes.long(), cells)
    boxes = module.bbox_coder.decode(rows[:, :4], 0.0, assigned.anchors_wh, 1.0)
    terms = YOLOLoss()(obj, boxes, rows[:, 5:], index, assigned.bboxes_cxcywh, assigned.labels, cells, (320, 320))
    sum(terms.values()).backward()
    for a, b in zip(ours, plain, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def test_image_size_scales_objectness_alone():
    levels, targets = formula_levels(), torch.tensor([[0, 3, 100.0, 100, 180, 220]])
    at_320 = head().loss(levels, targets, (320, 320))
    at_640 = head().loss(levels, targets, (640, 320))
    assert at_640["obj"].item() == pytest.approx(4 * at_320["obj"].item())
    assert at_640["box"].item() == pytest.approx(at_320["box"].item())


def test_label_smoothing_moves_targets_by_half():
    levels, targets = formula_levels(), torch.tensor([[0, 3, 100.0, 100, 180, 220]])
    module = head()
    module.loss_module = YOLOLoss(label_smoothing=0.1)
    assert module.loss(levels, targets, (320, 320))["cls"] != head().loss(levels, targets, (320, 320))["cls"]


def test_ciou_equals_oracle(oracle):
    pairs = oracle["misc"]["ciou_pairs_xywh"]
    ours = complete_iou(torch.tensor(pairs["b1"], dtype=torch.float32), torch.tensor(pairs["b2"], dtype=torch.float32))
    torch.testing.assert_close(ours, torch.tensor(pairs["ciou"]), rtol=1e-5, atol=1e-6)


def test_ciou_of_apart_boxes_has_gradient():
    boxes = torch.tensor([[0.0, 0, 1, 1]], requires_grad=True)
    complete_iou(boxes, torch.tensor([[10.0, 10, 1, 2]])).sum().backward()
    assert boxes.grad.abs().sum() > 0
