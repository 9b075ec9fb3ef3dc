"""What each option of the loss does, and what it refuses."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from yolo_plugins.errors import UsageError
from yolo_plugins.models.losses import LossInput, YOLOLoss
from yolo_plugins.registry import MODELS

CELLS = (48, 12, 3)


def batch(seed: int = 0) -> LossInput:
    """Seven rows of three levels, five classes, at the size for which the weights are stated."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    target = torch.cat((normal(7, 2) * 0.3, normal(7, 2).exp()), 1)
    return LossInput(
        obj_logits=normal(sum(CELLS)),
        bboxes_cxcywh=target * torch.tensor([1, 1, 1.3, 0.9]) + 0.1,
        cls_logits=normal(7, 5),
        positives=torch.tensor([0, 5, 20, 47, 50, 51, 61]),
        levels=torch.tensor([0, 0, 0, 0, 1, 1, 2]),
        target_cxcywh=target,
        labels=torch.tensor([0, 1, 2, 3, 4, 0, 1]),
        cells_per_level=CELLS,
        input_hw=(640, 640),
    )


def objectness_by_level(inputs: LossInput, cell_loss) -> float:
    """Balanced sum of each level's mean of a function of (logit, target); the target of positive cells is 1."""
    is_object = torch.zeros(sum(CELLS)).index_fill(0, inputs.positives, 1)
    means = [
        sum(cell_loss(logit, target) for logit, target in zip(*level, strict=True)) / len(level[0])
        for level in zip(inputs.obj_logits.split(CELLS), is_object.split(CELLS), strict=True)
    ]
    return sum(balance * mean.item() for balance, mean in zip((4, 1, 0.4), means, strict=True))


def bce(logit: Tensor, target: Tensor, pos_weight: float = 1.0) -> Tensor:
    p = logit.sigmoid()
    return -(pos_weight * target * p.log() + (1 - target) * (1 - p).log())


def focal(logit: Tensor, target: Tensor, gamma: float, alpha: float) -> Tensor:
    """Equation 5 of Lin et al."""
    p = logit.sigmoid()
    return -alpha * (1 - p) ** gamma * p.log() if target else -(1 - alpha) * p**gamma * (1 - p).log()


def test_an_iou_ratio_of_0_makes_every_positive_cell_an_object():
    inputs = batch()
    obj = YOLOLoss(loss_obj=dict(iou_ratio=0))(inputs)["obj"]
    assert obj.item() == pytest.approx(objectness_by_level(inputs, bce), rel=1e-5)


def test_pos_weight_multiplies_what_pulls_up():
    inputs = batch()
    obj = YOLOLoss(loss_obj=dict(iou_ratio=0, pos_weight=3))(inputs)["obj"]
    assert obj.item() == pytest.approx(objectness_by_level(inputs, lambda *cell: bce(*cell, 3)), rel=1e-5)


def test_gamma_and_alpha_are_those_of_the_focal_loss():
    inputs = batch()
    obj = YOLOLoss(loss_obj=dict(iou_ratio=0, gamma=2, alpha=0.25))(inputs)["obj"]
    assert obj.item() == pytest.approx(objectness_by_level(inputs, lambda *cell: focal(*cell, 2, 0.25)), rel=1e-5)


def test_gamma_alone_weighs_neither_side():
    inputs = batch()
    obj = YOLOLoss(loss_obj=dict(iou_ratio=0, gamma=2))(inputs)["obj"]
    assert obj.item() == pytest.approx(objectness_by_level(inputs, lambda *cell: 2 * focal(*cell, 2, 0.5)), rel=1e-5)


def test_label_smoothing_moves_targets_by_half():
    inputs = batch()
    plain, smooth = (YOLOLoss(loss_cls=dict(label_smoothing=value))(inputs)["cls"] for value in (0.0, 0.2))
    # BCE is linear in the target: 0.1 from the labelled class to each of the others
    rows = inputs.cls_logits.new_full((7, 5), -0.1).scatter(1, inputs.labels[:, None], 0.1) * inputs.cls_logits
    mean = sum(rows[inputs.levels == level].mean() for level in range(3))
    assert (smooth - plain).item() == pytest.approx(0.5 * 5 / 80 * mean.item(), rel=1e-4)


@pytest.mark.parametrize("kind", ["iou", "giou", "diou", "eiou", "siou"])
def test_the_kind_of_iou_changes_the_box_term_and_the_objectness_target_alone(kind):
    default, other = YOLOLoss()(batch()), YOLOLoss(loss_box=dict(iou=kind))(batch())
    assert [default[name].item() == other[name].item() for name in ("box", "obj", "cls")] == [False, False, True]


def test_weights_multiply_their_terms():
    once, twice = (
        YOLOLoss(**{f"loss_{name}": dict(weight=weight) for name in ("box", "obj", "cls")})(batch())
        for weight in (1.0, 2.0)
    )
    assert all(twice[name].item() == pytest.approx(2 * once[name].item()) for name in ("box", "obj", "cls"))


@pytest.mark.parametrize("levels", [1, 2, 3, 4, 5])
def test_any_number_of_levels_up_to_five_has_a_balance(levels):
    inputs = replace(batch(), cells_per_level=[*[1] * (levels - 1), sum(CELLS) - levels + 1])
    inputs = replace(inputs, levels=torch.zeros(7).long())
    assert YOLOLoss()(inputs)["obj"].isfinite()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (dict(loss_box=dict(kind="giou")), "loss_box takes no 'kind'; known are weight, iou"),
        (dict(loss_box=dict(iou="giuo")), "loss_box.iou='giuo'; known are ciou, iou, giou, diou, eiou, siou"),
        (
            dict(loss_obj=dict(label_smoothing=0.1)),
            "loss_obj takes no 'label_smoothing'; known are weight, pos_weight, gamma, alpha, iou_ratio",
        ),
        (dict(loss_obj=dict(weight=-1)), "loss_obj.weight=-1; give a number from 0"),
        (dict(loss_obj=dict(gamma=0.5)), "loss_obj.gamma=0.5; give a number from 1, or 0 for none"),
        (dict(loss_obj=dict(gamma="2")), "loss_obj.gamma='2'; give a number from 0"),
        (dict(loss_obj=dict(alpha=2)), "loss_obj.alpha=2; give a number from 0 to 1"),
        (dict(loss_obj=dict(iou_ratio="all")), "loss_obj.iou_ratio='all'; give a number from 0 to 1"),
        (dict(loss_cls=dict(label_smoothing=1.5)), "loss_cls.label_smoothing=1.5; give a number from 0 to 1"),
        (
            dict(loss_cls=dict(gamma=2, pos_weight=2)),
            "loss_cls.pos_weight=2 beside gamma or alpha; give alpha alone",
        ),
        (dict(auto_balance=True), "auto_balance without balance; state where it starts: balance=(4.0, 1.0, 0.4)"),
    ],
)
def test_a_wrong_option_is_refused_with_what_is_known(options, sentence):
    with pytest.raises(UsageError) as caught:
        MODELS.build(dict(type="YOLOLoss", **options))
    assert str(caught.value).endswith(sentence)


def test_a_balance_of_another_number_of_levels_is_refused():
    with pytest.raises(UsageError, match=r"loss\.balance has 2 numbers for 3 levels; give one for each level"):
        YOLOLoss(balance=(4.0, 1.0))(batch())


# --- auto_balance


def balanced() -> YOLOLoss:
    return YOLOLoss(balance=(4.0, 1.0, 0.4), auto_balance=True)


def test_without_auto_balance_a_checkpoint_holds_nothing_of_the_loss():
    assert YOLOLoss().state_dict() == {}


def test_auto_balance_starts_at_the_stated_balance():
    assert balanced().eval()(batch())["obj"] == YOLOLoss()(batch())["obj"]


def test_auto_balance_comes_to_equal_parts_of_the_same_total():
    loss, inputs = balanced(), batch()
    for _ in range(10_000):
        loss(inputs)
    alone = [YOLOLoss(balance=[float(level == other) for other in range(3)])(inputs)["obj"] for level in range(3)]
    weights = loss.level_factors * torch.tensor([4.0, 1.0, 0.4])
    torch.testing.assert_close(
        weights * torch.stack(alone), (YOLOLoss()(inputs)["obj"] / 3).expand(3), rtol=1e-3, atol=0
    )


def test_auto_balance_rests_in_evaluation_and_goes_on_where_a_checkpoint_left_it():
    loss, resumed = balanced(), balanced()
    loss(batch())
    before = loss.level_factors.clone()
    loss.eval()(batch(seed=1))
    assert torch.equal(loss.level_factors, before)
    resumed.load_state_dict(loss.state_dict())
    resumed(batch(seed=1))
    loss.train()(batch(seed=1))
    assert torch.equal(resumed.level_factors, loss.level_factors)
    assert not torch.equal(loss.level_factors, before)


def test_a_class_weight_scales_the_class_term_of_the_objects_of_its_class():
    inputs = batch()
    loss = YOLOLoss()
    plain = loss(inputs)
    parts = []
    for label in range(5):
        loss.class_weights = torch.eye(5)[label]
        weighted = loss(inputs)
        assert torch.equal(weighted["box"], plain["box"]) and torch.equal(weighted["obj"], plain["obj"])
        parts.append(weighted["cls"])
    assert torch.stack(parts).sum() == pytest.approx(float(plain["cls"]))
    loss.class_weights = torch.tensor([1.0, 1, 3, 1, 1])
    assert float(loss(inputs)["cls"]) == pytest.approx(float(plain["cls"] + 2 * parts[2]))
