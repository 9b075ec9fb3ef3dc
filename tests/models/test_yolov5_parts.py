"""Layers, backbone, neck, head and coder of YOLOv5."""

import csv
import math

import pytest
import torch
from torch import nn

from yolo_plugins.errors import UsageError
from yolo_plugins.models.backbones import YOLOv5CSP
from yolo_plugins.models.dense_heads import YOLOAnchorHead
from yolo_plugins.models.layers import C3, SPPF, ConvBNAct, scale_channels, scale_depth
from yolo_plugins.models.necks import YOLOv5PAFPN
from yolo_plugins.models.task_modules import YOLOv5BBoxCoder, select_detections

SCALES = {"n": (0.33, 0.25), "s": (0.33, 0.5), "m": (0.67, 0.75), "l": (1.0, 1.0), "x": (1.33, 1.25)}


def test_depth_rounds_half_to_even_and_keeps_single_blocks():
    assert [scale_depth(n, 0.33) for n in (1, 3, 6, 9)] == [1, 1, 2, 3]
    assert [scale_depth(n, 1.33) for n in (3, 6, 9)] == [4, 8, 12]
    assert scale_depth(5, 0.5) == 2


def test_channels_round_up_to_a_multiple_of_eight():
    assert [scale_channels(c, 0.125) for c in (64, 128, 255, 256)] == [8, 16, 32, 32]


def test_conv_has_no_bias_and_the_reference_norm():
    layer = ConvBNAct(3, 8, 3, stride=2)
    assert layer.conv.bias is None
    assert (layer.bn.eps, layer.bn.momentum) == (1e-3, 0.03)
    assert isinstance(layer.act, nn.SiLU)


def test_conv_keeps_the_default_initialisation():
    torch.manual_seed(0)
    ours = ConvBNAct(3, 8, 3).conv.weight
    torch.manual_seed(0)
    assert torch.equal(ours, nn.Conv2d(3, 8, 3, bias=False).weight)


def test_chained_pools_equal_pools_side_by_side():
    layer, x = SPPF(8, 8).eval(), torch.randn(1, 8, 20, 20)
    reduced = layer.reduce(x)
    pools = [nn.functional.max_pool2d(reduced, k, 1, k // 2) for k in (5, 9, 13)]
    assert torch.equal(layer(x), layer.fuse(torch.cat([reduced, *pools], 1)))


def test_c3_joins_blocks_first_and_bypass_second():
    layer, x = C3(8, 8, 1).eval(), torch.randn(1, 8, 4, 4)
    expected = layer.fuse(torch.cat([layer.blocks(layer.main(x)), layer.bypass(x)], 1))
    assert torch.equal(layer(x), expected)


@pytest.mark.parametrize("scale", SCALES)
def test_parameters_of_parts_equal_reference(scale, golden_dir):
    with (golden_dir / "complexity.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["model"] == f"yolov5{scale}"]
    assert {row["nc"] for row in rows} == {"20", "80"}
    depth, width = SCALES[scale]
    backbone = YOLOv5CSP(depth, width)
    neck = YOLOv5PAFPN(backbone.out_channels, depth, width)
    for row in rows:
        head = YOLOAnchorHead(int(row["nc"]), neck.out_channels, backbone.out_strides)
        for name, part in (("backbone", backbone), ("neck", neck), ("head", head)):
            assert sum(p.numel() for p in part.parameters()) == int(row[f"params_{name}"])


def test_backbone_states_the_channels_and_strides_it_returns():
    backbone = YOLOv5CSP(0.33, 0.125).eval()
    maps = backbone(torch.zeros(1, 3, 64, 96))
    for x, channels, stride in zip(maps, backbone.out_channels, backbone.out_strides, strict=True):
        assert x.shape == (1, channels, 64 // stride, 96 // stride)


def test_neck_width_ignores_the_backbone():
    neck = YOLOv5PAFPN([7, 11, 13], 0.33, 0.125).eval()
    outputs = neck([torch.zeros(1, c, s, s) for c, s in ((7, 8), (11, 4), (13, 2))])
    assert [x.shape[1] for x in outputs] == neck.out_channels == [32, 64, 128]


def test_neck_builds_four_levels():
    neck = YOLOv5PAFPN([8, 8, 8, 8], 0.33, 0.125, level_channels=(256, 512, 768, 1024)).eval()
    outputs = neck([torch.zeros(1, 8, s, s) for s in (8, 4, 2, 1)])
    assert [tuple(x.shape[1:]) for x in outputs] == [(32, 8, 8), (64, 4, 4), (96, 2, 2), (128, 1, 1)]


def test_neck_refuses_another_number_of_maps():
    with pytest.raises(UsageError, match="2 input maps for 3 levels"):
        YOLOv5PAFPN([8, 8])


def test_head_adds_the_prior_to_the_default_bias():
    torch.manual_seed(0)
    head = YOLOAnchorHead(20, [8, 8, 8], [8, 16, 32])
    torch.manual_seed(0)
    for predictor, stride in zip(head.predictors, head.strides, strict=True):
        added = (predictor.bias - nn.Conv2d(8, 75, 1).bias).view(3, 25)
        assert added[:, :4].abs().max() == 0
        assert added[:, 4].tolist() == pytest.approx([math.log(8 / (640 / stride) ** 2)] * 3, abs=1e-5)
        assert added[:, 5:].flatten().tolist() == pytest.approx([-3.455265] * 60, abs=1e-5)


def test_head_refuses_anchors_of_another_number_of_levels():
    with pytest.raises(UsageError, match="3 levels of anchors for 2 maps"):
        YOLOAnchorHead(20, [8, 8], [8, 16])


def test_coder_equals_the_centre_form():
    """With priors at cell centres: xy = (2 s - 1) * stride + centre."""
    raw, cells, anchors = torch.randn(6, 4), torch.randint(0, 9, (6, 2)), torch.rand(6, 2) * 50
    decoded = YOLOv5BBoxCoder().decode(raw, cells, anchors, 8)
    s = raw.sigmoid()
    torch.testing.assert_close(decoded[:, :2], (2 * s[:, :2] - 1) * 8 + (cells + 0.5) * 8)
    torch.testing.assert_close(decoded[:, 2:], (2 * s[:, 2:]) ** 2 * anchors)


def test_no_detection_from_an_empty_image():
    result = select_detections(torch.zeros(10, 25))
    assert result.bboxes.shape == (0, 4)
    assert len(result.scores) == len(result.labels) == 0


def test_suppression_keeps_equal_boxes_of_two_classes():
    decoded = torch.tensor([[50.0, 50, 20, 20, 0.9, 0.8, 0.7], [50.0, 50, 20, 20, 0.8, 0.8, 0.1]])
    result = select_detections(decoded, score_thr=0.25)
    assert result.labels.tolist() == [0, 1]
    assert result.bboxes[0].tolist() == [40, 40, 60, 60]


def test_suppression_keeps_boxes_apart_whose_classes_are_at_opposite_sides_of_the_image():
    """Beyond the border, as predictions may be: a largest coordinate away from each other they would coincide."""
    decoded = torch.tensor([[90.0, 50, 20, 20, 0.9, 0.8, 0.0], [-11.0, -51, 20, 20, 0.8, 0.0, 0.8]])
    assert select_detections(decoded, score_thr=0.25).labels.tolist() == [0, 1]


def test_many_candidates_are_suppressed_class_by_class():
    generator = torch.Generator().manual_seed(0)
    decoded = torch.rand(800, 5 + 4, generator=generator)
    decoded[:, :4] = decoded[:, :4] * 60 - 20
    together = select_detections(decoded, max_per_img=5000)
    alone = [select_detections(decoded[:, [0, 1, 2, 3, 4, 5 + label]], max_per_img=5000) for label in range(4)]
    assert len(together.scores) > 200
    for label, expected in enumerate(alone):
        ours = together[together.labels == label]
        assert torch.equal(ours.bboxes, expected.bboxes)
        assert torch.equal(ours.scores, expected.scores)
    assert (together.scores.diff() <= 0).all()
