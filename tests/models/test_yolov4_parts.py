"""Scaled-YOLOv4's detectors as the configs build them: sizes, counts, limits."""

import csv
import math

import pytest
import torch
from torch import nn

from yolo_plugins.config import load_config
from yolo_plugins.costs.complexity import count_parts
from yolo_plugins.errors import UsageError
from yolo_plugins.models.backbones import YOLOv4CSP
from yolo_plugins.models.layers import CSP2, SPPCSP, BottleneckCSP
from yolo_plugins.models.necks import YOLOv4CSPPAN, YOLOv4TinyFPN, YOLOv5PAFPN
from yolo_plugins.models.task_modules import DarknetBBoxCoder
from yolo_plugins.registry import MODELS

MODELS_OF_FAMILY = ("tiny", "csp", "p5", "p6", "p7")


def build(name: str, **head: object) -> nn.Module:
    """The detector of a config, without memory for its weights."""
    model = load_config(f"yolov4_{name}_voc").model
    model.bbox_head.update(head)
    with torch.device("meta"):
        return MODELS.build(model)


@pytest.fixture(scope="module")
def reference(golden_dir) -> dict[tuple[str, int], dict[str, str]]:
    with (golden_dir / "complexity.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["source"] != "ScaledYOLOv4 yolov4-csp cfg"]  # Darknet's form
    return {(row["model"].replace("-", "_"), int(row["nc"])): row for row in rows}


@pytest.mark.parametrize("num_classes", [20, 80])
@pytest.mark.parametrize("name", MODELS_OF_FAMILY)
def test_params_and_macs_equal_reference(name, num_classes, reference):
    expected = reference[f"yolov4_{name}", num_classes]
    with torch.device("meta"):
        counts = count_parts(build(name, num_classes=num_classes), (640, 640))
    assert counts["params"] == int(expected["params_trainable"])
    assert counts["macs"] == int(expected["conv_macs_640"])
    for part in ("backbone", "neck", "head"):
        assert counts[f"params_{part}"] == int(expected[f"params_{part}"])


@pytest.mark.parametrize(("name", "strides"), [("p6", [8, 16, 32, 64]), ("p7", [8, 16, 32, 64, 128])])
def test_each_further_stage_gives_a_further_level(name, strides):
    detector = build(name)
    assert detector.strides == strides
    side = strides[-1]
    with torch.device("meta"):
        raw = detector(torch.zeros(1, 3, side, 2 * side), mode="tensor")
    assert [tuple(level.shape) for level in raw] == [(1, 4, side // s, 2 * side // s, 25) for s in strides]


def test_p7_refuses_320_pixels_and_its_config_takes_384():
    with pytest.raises(UsageError, match=r"320x320 .* not a multiple of the largest stride 128; use img_size=384"):
        build("p7").extract_feat(torch.zeros(1, 3, 320, 320))
    assert load_config("yolov4_p7_voc").img_size == 384


def test_objectness_weighs_more_with_four_levels_and_no_model_scales_it_by_the_image():
    losses = {name: build(name).bbox_head.loss_module for name in MODELS_OF_FAMILY}
    assert [losses[name].obj.weight for name in ("csp", "p5", "p6", "p7")] == [1.0, 1.0, 1.4, 1.4]
    assert {loss.reference_size for loss in losses.values()} == {None}


def test_class_prior_is_the_familys():
    model = load_config("yolov4_tiny_voc").model
    assert model.bbox_head.class_prior_offset == 0.99
    torch.manual_seed(0)
    ours = MODELS.build(dict(model.bbox_head, in_channels=[8, 8], strides=[16, 32]))
    torch.manual_seed(0)
    yolov5 = MODELS.build(dict(model.bbox_head, in_channels=[8, 8], strides=[16, 32], class_prior_offset=0.99999))
    difference = (ours.predictors[0].bias - yolov5.predictors[0].bias).view(3, 25)
    assert difference[:, :5].abs().max() == 0
    assert difference[:, 5:].mean().item() == pytest.approx(math.log((20 - 0.99999) / (20 - 0.99)), rel=1e-2)


def test_blocks_join_the_chain_before_the_bypass():
    x = torch.randn(1, 8, 4, 4)
    block = BottleneckCSP(8, 8, 1).eval()
    joined = torch.cat([block.exit(block.blocks(block.main(x))), block.bypass(x)], 1)
    assert torch.equal(block(x), block.fuse(block.join(joined)))
    block = CSP2(8, 8, 1).eval()
    y = block.main(x)
    assert torch.equal(block(x), block.fuse(block.join(torch.cat([block.blocks(y), block.bypass(y)], 1))))


@pytest.mark.parametrize("block", [CSP2(8, 8, 1, joint_norm=False), SPPCSP(8, 8, joint_norm=False)])
def test_darknets_form_has_its_norm_on_the_bypass(block):
    assert isinstance(block.join, nn.Identity)
    assert isinstance(block.bypass.bn, nn.BatchNorm2d)


def test_joint_norms_cost_3328_parameters_in_csp():
    def count(joint_norm: bool) -> int:
        with torch.device("meta"):
            neck = YOLOv4CSPPAN([256, 512, 1024], num_blocks=2, joint_norm=joint_norm)
        return sum(parameter.numel() for parameter in neck.parameters())

    assert count(True) - count(False) == 3328


def test_width_and_depth_scale_every_variant():
    backbone = YOLOv4CSP((1, 3, 15), deepen_factor=0.33, widen_factor=0.25)
    assert [len(stage[1].blocks) for stage in backbone.stages] == [1, 1, 5]
    assert (backbone.out_channels, backbone.out_strides) == ([64], [8])
    assert YOLOv4CSP((1, 1, 1), widen_factor=0.1, channel_divisor=1).out_channels == [26]


@pytest.mark.parametrize("repeats", [(1, 2), (1,) * 8])
def test_a_backbone_of_too_few_or_too_many_stages_is_refused(repeats):
    with pytest.raises(UsageError, match="give 3 to 7 stages"):
        YOLOv4CSP(repeats)


def test_necks_refuse_another_number_of_levels():
    with pytest.raises(UsageError, match=r"3 input maps for YOLOv4TinyFPN.*out_strides=\(16, 32\)"):
        YOLOv4TinyFPN([8, 8, 8])
    with pytest.raises(UsageError, match="6 maps for a neck of at most 5 levels"):
        YOLOv4CSPPAN([8] * 6)


@pytest.mark.parametrize("neck", [YOLOv4CSPPAN, YOLOv5PAFPN])
def test_either_familys_neck_stands_on_either_familys_backbone(neck):
    backbone = YOLOv4CSP((1, 1, 1, 1, 1), widen_factor=0.125).eval()
    levels = neck(backbone.out_channels, widen_factor=0.125).eval()
    maps = levels(backbone(torch.zeros(1, 3, 64, 96)))
    assert [tuple(level.shape[1:]) for level in maps] == [
        (channels, 64 // stride, 96 // stride)
        for channels, stride in zip(levels.out_channels, backbone.out_strides, strict=True)
    ]


def test_darknet_coder_keeps_centres_near_their_cell_and_leaves_sides_unbounded():
    raw = torch.tensor([[-20.0, 20.0, 0.0, 3.0]])
    decoded = DarknetBBoxCoder().decode(raw, torch.tensor([[4.0, 4.0]]), torch.tensor([[10.0, 20.0]]), 16.0)
    expected = [(4 - 0.025) * 16, (4 + 1.025) * 16, 10, 20 * torch.tensor(3.0).exp().item()]
    assert decoded[0].tolist() == pytest.approx(expected)
