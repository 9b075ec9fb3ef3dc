"""Which parameter goes into which group."""

import pytest
import torch
from torch import nn

from yolo_plugins.engine.optim_constructor import YOLOOptimWrapperConstructor, group_parameters
from yolo_plugins.errors import UsageError

SGD = {"type": "SGD", "lr": 0.01, "momentum": 0.937, "weight_decay": 5e-4, "nesterov": True}


def small_model():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2), nn.LayerNorm(2), nn.PReLU())


def test_weights_norms_and_biases_go_apart():
    model = small_model()
    groups = group_parameters(model)
    assert [id(p) for p in groups["decay"]] == [id(model[0].weight), id(model[2].weight)]
    assert [id(p) for p in groups["no_decay"]] == [id(model[1].weight), id(model[3].weight), id(model[4].weight)]
    assert [id(p) for p in groups["bias"]] == [id(model[i].bias) for i in range(4)]


def test_frozen_parameters_are_left_out():
    model = small_model()
    model[0].requires_grad_(False)
    assert sum(len(group) for group in group_parameters(model).values()) == 7


def test_a_shared_parameter_is_listed_once():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    assert len(group_parameters(model)["decay"]) == 1


def test_groups_carry_kind_and_decay():
    cfg = {"type": "yolo_plugins.YOLOOptimWrapper", "optimizer": SGD}
    wrapper = YOLOOptimWrapperConstructor(cfg)(small_model())
    groups = wrapper.optimizer.param_groups
    assert [(g["kind"], g["weight_decay"]) for g in groups] == [("decay", 5e-4), ("no_decay", 0.0), ("bias", 0.0)]
    assert isinstance(wrapper.optimizer, torch.optim.SGD)
    assert cfg["optimizer"] is SGD
    assert "type" in SGD


@pytest.mark.parametrize(
    ("cfg", "paramwise", "words"),
    [
        ({"optimizer": {"type": "Sgd", "lr": 1}}, None, "'Sgd' is no optimizer"),
        ({"optimizer": SGD}, {"bias_lr_mult": 2}, "paramwise_cfg"),
    ],
)
def test_a_wrong_config_is_refused(cfg, paramwise, words):
    with pytest.raises(UsageError, match=words):
        YOLOOptimWrapperConstructor({"type": "yolo_plugins.YOLOOptimWrapper", **cfg}, paramwise)(small_model())


def test_a_wholly_frozen_model_is_refused():
    with pytest.raises(UsageError, match="frozen"):
        YOLOOptimWrapperConstructor({"type": "yolo_plugins.YOLOOptimWrapper", "optimizer": SGD})(
            small_model().requires_grad_(False)
        )
