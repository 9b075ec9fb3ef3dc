"""The loss against numbers of the reference implementation, and its limits."""

import inspect
import json
import math

import pytest
import torch

from yolo_plugins.models.dense_heads import YOLOAnchorHead
from yolo_plugins.models.losses import IOU_KINDS
from yolo_plugins.models.losses.yolo_loss import last_rows


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


def in_memory_order(level: torch.Tensor) -> torch.Tensor:
    """(N, A, H, W, C) -> (N*H*W*A, C)."""
    return level.permute(0, 2, 3, 1, 4).flatten(0, 3)


def head(num_classes: int = 20) -> YOLOAnchorHead:
    # weights by default: box .05, cls .5, obj 1 at 640 px
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


def test_gradient_of_picked_rows_equals_plain_indexing(oracle, monkeypatch):
    """The head's own gather against autograd's, on rows that repeat."""

    def plain(raw, places):
        tables = [in_memory_order(level) for level in raw]
        rows = [table[index] for table, index in zip(tables, places, strict=True)]
        return torch.cat([table[:, 4] for table in tables]), torch.cat(rows)

    ours, theirs = formula_levels(), formula_levels()
    module = head()
    sum(module.loss(ours, oracle_targets(oracle), (320, 320)).values()).backward()
    monkeypatch.setattr(inspect.getmodule(YOLOAnchorHead), "pick", plain)
    sum(module.loss(theirs, oracle_targets(oracle), (320, 320)).values()).backward()
    for a, b in zip(ours, theirs, strict=True):
        assert torch.equal(a.grad, b.grad)


def test_the_loss_is_told_the_place_and_the_level_of_each_row(oracle):
    module, told = head(), []
    module.loss_module.register_forward_pre_hook(lambda _, arguments: told.extend(arguments))
    levels, targets = formula_levels(), oracle_targets(oracle)
    module.loss(levels, targets, (320, 320))
    (inputs,) = told
    logits = torch.cat([in_memory_order(level.detach()) for level in levels])
    assert torch.equal(logits[:, 4], inputs.obj_logits)
    assert torch.equal(logits[inputs.positives, 5:], inputs.cls_logits)
    ends = torch.tensor(inputs.cells_per_level).cumsum(0)
    assert torch.equal(torch.bucketize(inputs.positives, ends, right=True), inputs.levels)
    assert set(inputs.levels.tolist()) == {0, 1, 2}


def test_image_size_scales_objectness_alone():
    levels, targets = formula_levels(), torch.tensor([[0, 3, 100.0, 100, 180, 220]])
    at_320 = head().loss(levels, targets, (320, 320))
    at_640 = head().loss(levels, targets, (640, 320))
    assert at_640["obj"].item() == pytest.approx(4 * at_320["obj"].item())
    assert at_640["box"].item() == pytest.approx(at_320["box"].item())


def test_ciou_equals_oracle(oracle):
    pairs = oracle["misc"]["ciou_pairs_xywh"]
    boxes, targets = (torch.tensor(pairs[name], dtype=torch.float32) for name in ("b1", "b2"))
    ours = IOU_KINDS["ciou"](boxes, targets)
    torch.testing.assert_close(ours, torch.tensor(pairs["ciou"]), rtol=1e-5, atol=1e-6)


def test_no_image_gives_no_loss():
    module = head()
    raw = module([torch.zeros(0, 8, side, side) for side in (8, 4, 2)])
    terms = module.loss(raw, torch.zeros(0, 6), (64, 64))
    assert [term.item() for term in terms.values()] == [0, 0, 0]
    sum(terms.values()).backward()
    assert module.predict(raw) == []


@pytest.mark.parametrize("seed", range(3))
def test_objectness_target_is_that_of_the_last_row_in_whatever_order_a_device_writes(seed):
    generator = torch.manual_seed(seed)
    cells, values = torch.randint(40, (100,), generator=generator), torch.rand(100, generator=generator)
    expected, found = torch.zeros(50), torch.zeros(50)
    for cell, value in zip(cells, values, strict=True):
        expected[cell] = value
    order = torch.randperm(100, generator=generator)
    for cell, value in zip(cells[order], values[last_rows(cells, 50)][order], strict=True):
        found[cell] = value
    assert torch.equal(found, expected)
    assert last_rows(cells[:0], 50).shape == (0,)
