"""What is frozen stays as it is, to the running statistics; the rest learns."""

import pytest
import torch
from torch import nn

from yolo_plugins.engine.optim_constructor import group_parameters
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import MODELS

IMAGES = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
TARGETS = torch.tensor([[0, 1, 8.0, 8.0, 60.0, 60.0], [1, 2, 20.0, 10.0, 50.0, 60.0]])
SMALL = dict(deepen_factor=0.33, widen_factor=0.125)
BACKBONES = {
    "yolov5": dict(type="YOLOv5CSP", **SMALL),
    "yolov4-csp": dict(type="YOLOv4CSP", repeats=(1, 1, 1, 1, 1), plain_first=True, widen_factor=0.125),
    "yolov4-tiny": dict(type="YOLOv4Tiny", widen_factor=0.125),
    "mmpretrain": dict(type="PyramidBackbone", net=dict(type="mmpretrain.ResNet", depth=18)),
    "mmdet": dict(type="PyramidBackbone", net=dict(type="mmdet.ResNet", depth=18)),
    "timm": dict(type="PyramidBackbone", net=dict(type="timm", model_name="mobilenetv4_conv_small_050")),
}
# of ours, the first parameter
FIRST = {"yolov5": "stem.conv.weight", "yolov4-csp": "stem.conv.weight", "yolov4-tiny": "stem.0.conv.weight"}


def detector(backbone: dict, **options) -> nn.Module:
    """A small detector on a backbone."""
    tiny = backbone["type"] == "YOLOv4Tiny"
    neck = dict(type="YOLOv4TinyFPN", widen_factor=0.125) if tiny else dict(type="YOLOv5PAFPN", **SMALL)
    anchors = [[[10, 13]], [[30, 61]]] if tiny else [[[10, 13]], [[30, 61]], [[60, 59]]]
    head = dict(type="YOLOAnchorHead", num_classes=3, anchors=anchors)
    return MODELS.build(dict(type="YOLODetector", backbone=backbone, neck=neck, bbox_head=head, **options))


def step(model: nn.Module) -> set[str]:
    """The names of the tensors, statistics included, that a training step changes."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    parameters = [parameter for group in group_parameters(model).values() for parameter in group]
    optimizer = torch.optim.SGD(parameters, lr=0.1, weight_decay=0.1)
    model.train().loss(IMAGES, TARGETS)["loss"].backward()
    optimizer.step()
    return {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}


@pytest.mark.parametrize("name", BACKBONES)
def test_the_first_stages_stay_as_they_are_on_every_backbone(name):
    model = detector(BACKBONES[name], freeze=1)
    frozen = {key for key, value in model.named_parameters() if not value.requires_grad}
    changed = step(model)
    assert frozen and all(key.startswith("backbone.") for key in frozen)
    assert name not in FIRST or f"backbone.{FIRST[name]}" in frozen
    assert not changed & frozen
    norms = {key.rpartition(".")[0] for key in frozen}
    assert not [key for key in changed if key.rpartition(".")[0] in norms]  # running statistics with their weights
    assert any(key.startswith("backbone.") and key.endswith("running_mean") for key in changed)  # of later stages


@pytest.mark.parametrize("name", BACKBONES)
def test_a_frozen_backbone_stays_as_it_is_while_the_rest_learns(name):
    changed = step(detector(BACKBONES[name], freeze="backbone"))
    assert not [key for key in changed if key.startswith("backbone.")]
    assert any(key.startswith("neck.") and key.endswith("running_var") for key in changed)
    assert any(key.startswith("bbox_head.") for key in changed)


@pytest.mark.parametrize("name", FIRST)
def test_each_stage_more_freezes_more_and_the_last_one_all(name):
    learning = [
        sum(value.requires_grad for value in detector(BACKBONES[name], freeze=stages).backbone.parameters())
        for stages in range(5)
    ]
    assert learning == sorted(set(learning), reverse=True)
    assert learning[-1] == 0


def test_norm_eval_keeps_every_statistic_and_lets_the_weights_learn():
    changed = step(detector(BACKBONES["yolov5"], norm_eval=True))
    assert not [key for key in changed if "running" in key or "num_batches" in key]
    assert {"backbone.stem.bn.weight", "neck.laterals.0.bn.weight", "backbone.stem.conv.weight"} <= changed


def test_evaluation_and_back_keeps_what_is_frozen():
    model = detector(BACKBONES["yolov5"], freeze=0).eval().train()
    assert not model.backbone.stem.bn.training
    assert model.backbone.stages[0][0].bn.training


class Unstaged(nn.Module):
    """A backbone of somebody else, without stages to freeze."""

    out_channels, out_strides = (8, 8, 8), (8, 16, 32)

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3, 8, stride, stride) for stride in self.out_strides)

    def forward(self, x):
        return tuple(conv(x) for conv in self.convs)


@pytest.mark.parametrize(
    ("backbone", "freeze", "sentence"),
    [
        ("yolov5", 5, r"^frozen_stages=5: YOLOv5CSP has no such stage; use -1 or one of \[0, 1, 2, 3, 4\]$"),
        ("yolov4-tiny", 9, "YOLOv4Tiny has no such stage"),
        ("mmpretrain", 9, r"mmpretrain.ResNet\(depth=18\) has no such stage"),
        ("yolov5", "neck", "^model.freeze='neck': give a number of stages, 'backbone', or None$"),
        ("unstaged", 1, "^model.freeze=1: Unstaged takes no frozen_stages; give freeze='backbone'$"),
    ],
)
def test_what_cannot_be_frozen_is_refused_with_the_remedy(backbone, freeze, sentence):
    if backbone == "unstaged":
        MODELS.register_module(name="Unstaged", module=Unstaged, force=True)
    config = BACKBONES.get(backbone, dict(type="Unstaged"))
    try:
        with pytest.raises(UsageError, match=sentence):
            detector(config, freeze=freeze)
        if backbone == "unstaged":
            assert not any(value.requires_grad for value in detector(config, freeze="backbone").backbone.parameters())
    finally:
        MODELS.module_dict.pop("Unstaged", None)
