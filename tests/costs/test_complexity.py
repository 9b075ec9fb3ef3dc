"""Counts of parameters and operations against the reference, against each other, and where they cannot agree."""

import copy
import csv
import sys

import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from yolo_plugins.config import load_config
from yolo_plugins.costs import complexity
from yolo_plugins.costs.complexity import count_forms, count_macs, count_parts, format_table, summarize
from yolo_plugins.costs.latency import MachineState
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import MODELS

SIZE = (64, 64)  # the last stage then has maps of 2 x 2 cells


class Attention(nn.Module):
    """Each cell attends to all cells, in products of two tensors, which thop cannot see."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.fused = fused

    def forward(self, x: Tensor) -> Tensor:
        cells = x.flatten(2).mT[:, None].contiguous()  # (N, C, H, W) -> (N, 1, H*W, C)
        if self.fused:
            mixed = functional.scaled_dot_product_attention(cells, cells, cells)
        else:
            mixed = (cells @ cells.mT).softmax(-1) @ cells
        return x + mixed[:, 0].mT.reshape(x.shape)


class Twice(nn.Conv2d):
    """Runs two convolutions where its type promises one."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + super().forward(x)


class MixingNorm(nn.BatchNorm2d):
    """Mixes the channels, where its type promises to scale them."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(super().forward(x), torch.eye(self.num_features)[..., None, None])


class Holding(nn.Conv2d):
    """A convolution that leaves the work to another one that it holds."""

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


@pytest.fixture
def reference(golden_dir) -> dict[str, dict[str, str]]:
    """Rows of the reference's table for 20 classes, by model."""
    with (golden_dir / "complexity.csv").open() as file:
        return {row["model"]: row for row in csv.DictReader(file) if row["nc"] == "20"}


@pytest.fixture
def model() -> nn.Module:
    return MODELS.build(load_config("yolov5_n_voc").model)


def train_row(model: nn.Module) -> dict:
    return count_forms(model, SIZE)[0]


@pytest.mark.parametrize("scale", "nsmlx")
def test_every_config_has_exactly_the_reference_counts(scale, reference):
    train, deploy = count_forms(MODELS.build(load_config(f"yolov5_{scale}_voc").model), (320, 320))
    expected = reference[f"yolov5{scale}"]
    assert (train["form"], train["input_h"], train["input_w"]) == ("train", 320, 320)
    assert train["params"] == int(expected["params_trainable"])
    assert train["macs"] == int(expected["conv_macs_320"])
    assert train["macs_thop"] == int(expected["thop_macs_320"])
    for part in ("backbone", "neck", "head"):
        assert train[f"params_{part}"] == int(expected[f"params_{part}"])
    assert (deploy["form"], deploy["params"]) == ("deploy", int(expected["params_fused"]))
    for row in (train, deploy):
        assert row["macs"] == train["macs"] == sum(row[f"macs_{part}"] for part in ("backbone", "neck", "head"))
        for suffix in ("", "_backbone", "_neck", "_head"):
            assert row[f"flops{suffix}"] == 2 * row[f"macs{suffix}"]


def test_deploy_form_in_the_record_has_the_reference_parameters_and_the_same_macs(model, reference):
    counts = summarize(model, (320, 320))
    assert counts["params_deploy"] == int(reference["yolov5n"]["params_fused"])
    assert counts["macs_deploy"] == counts["macs"]


@pytest.fixture(params=[0.01, 0.5], ids=["idle", "busy"])
def machine(request, monkeypatch) -> MachineState:
    """What others use of a machine that is made up; nothing is measured for longer than it takes."""
    state = MachineState(request.param, 0.0, cores=2, load=1.0, frequency_mhz=None, governor=None)
    monkeypatch.setattr(complexity, "watch_machine", lambda: lambda: state)
    monkeypatch.setattr(complexity, "_LATENCY_SECONDS", (0, 0))
    return state


def test_latency_is_left_out_of_the_record_where_the_machine_is_busy(model, machine):
    counts = summarize(model, SIZE)
    figures = [counts[name] for name in ("latency_low_seconds", "latency_seconds", "latency_high_seconds")]
    if machine.is_idle:
        assert 0 < figures[0] <= figures[1] <= figures[2]
        assert counts["images_per_second"] == pytest.approx(1 / figures[1])
    else:
        assert (*figures, counts["images_per_second"]) == (None,) * 4
    assert counts["latency_precision"] == "float32"
    assert counts["latency_machine"] == str(machine)


def test_height_comes_before_width():
    """A kernel over two pixels of a row has one place less in each row, whatever the number of rows."""
    assert count_macs(nn.Conv2d(3, 5, kernel_size=(1, 2)), (4, 7)) == 4 * 6 * 2 * 3 * 5


def test_arithmetic_without_a_formula_is_named_and_nothing_else(model):
    assert count_parts(model, SIZE)["uncounted_operators"] == [
        "aten.add",
        "aten.max_pool2d_with_indices",
        "aten.native_batch_norm",
        "aten.silu",
        "aten.upsample_nearest2d",
    ]


def test_an_operator_has_one_name_in_place_and_not(model):
    model.backbone.stages[3].append(nn.SiLU(inplace=True))
    model.backbone.stages[3].append(nn.ReLU(inplace=True))
    added = "aten.add aten.max_pool2d_with_indices aten.relu aten.silu"
    assert train_row(model)["uncounted_operators"] == added


def test_operators_that_thop_counts_are_not_named_as_counted_by_neither(model):
    row = train_row(model)
    assert row["uncounted_operators"] == "aten.add aten.max_pool2d_with_indices aten.silu"
    assert row["uncounted_by_thop"] == ""


def test_deploy_form_leaves_thop_the_upsampling_alone_beside_the_products(model):
    deploy = count_forms(model, SIZE)[1]
    cells = 128 * 4 * 4 + 64 * 8 * 8  # of the neck's two enlarged maps
    assert deploy["macs_thop"] == deploy["macs"] + cells


@pytest.mark.parametrize("fused", [True, False])
def test_products_that_thop_cannot_see_are_counted_and_their_module_is_named(model, fused):
    plain = train_row(model)
    model.backbone.stages[3].append(Attention(fused))
    row = train_row(model)
    assert row["macs"] - plain["macs"] == row["macs_backbone"] - plain["macs_backbone"] == 2 * 4 * 4 * 256
    assert row["macs_thop"] == plain["macs_thop"]
    assert row["uncounted_by_thop"] == f"backbone.stages.3.{len(model.backbone.stages[3]) - 1}"


@pytest.mark.parametrize(
    ("layer", "kind", "by_thop", "by_torch"),
    [
        ("conv", Twice, 64 * 4 * 4 * 64 * 9, 2 * 64 * 4 * 4 * 64 * 9),
        ("bn", MixingNorm, 4 * 64 * 4 * 4, 64 * 4 * 4 * 64),
    ],
)
def test_disagreement_of_the_counters_names_the_module_and_both_counts(model, layer, kind, by_thop, by_torch):
    getattr(model.neck.downsamples[0], layer).__class__ = kind
    found = rf"neck\.downsamples\.0\.{layer} \({kind.__name__}\): thop counts {by_thop:,} .* torch {by_torch:,}, more"
    with pytest.raises(UsageError, match=found):
        count_forms(model, SIZE)


def test_a_convolution_that_runs_unseen_by_torch_is_a_disagreement(model, monkeypatch):
    monkeypatch.setattr("yolo_plugins.costs.complexity._FORMULAS", {torch.ops.aten.convolution: lambda *_, **__: 0})
    with pytest.raises(UsageError, match=r"backbone\.stem\.conv \(Conv2d\): .* torch 0, more than 1 % apart"):
        count_forms(model, SIZE)


def test_derived_layers_are_counted_by_the_rule_of_their_base(model):
    plain = train_row(model)
    conv = model.neck.downsamples[0].conv
    inner = copy.deepcopy(conv)
    conv.__class__ = Holding
    conv.inner = inner
    row = train_row(model)
    for key in ("macs", "macs_thop", "uncounted_operators", "uncounted_by_thop"):
        assert row[key] == plain[key]


def test_both_counters_agree_on_transposed_convolutions(model):
    plain = train_row(model)
    model.backbone.stages[3].extend([nn.ConvTranspose2d(256, 256, 2, 2, groups=4), nn.MaxPool2d(2)])
    row = train_row(model)
    added = 4 * 256 * 64 * 4  # cells of the input, channels in, channels out of a group, cells of the kernel
    assert row["macs"] - plain["macs"] == row["macs_thop"] - plain["macs_thop"] == added


def test_a_module_in_several_places_counts_each_of_its_calls_once(model):
    plain = train_row(model)
    model.neck.bottom_up[0].blocks[0] = model.neck.top_down[0].blocks[0]
    shared = train_row(model)
    assert (shared["macs"], shared["macs_thop"]) == (plain["macs"], plain["macs_thop"])
    assert shared["params"] < plain["params"]


def test_frozen_parameters_count_and_shared_ones_count_once(model):
    plain = count_parts(model, SIZE)
    model.requires_grad_(False)
    assert count_parts(model, SIZE) == plain
    first, second = (model.neck.bottom_up[0].blocks[0], model.neck.top_down[0].blocks[0])
    first.conv2.conv.weight = second.conv2.conv.weight
    shared = count_parts(model, SIZE)
    assert plain["params"] - shared["params"] == plain["params_neck"] - shared["params_neck"] == 64 * 64 * 9
    assert shared["macs"] == plain["macs"]


def test_counting_leaves_the_model_as_it_was(model):
    model.train()
    keys = list(model.state_dict())
    count_forms(model, SIZE)
    assert all(module.training and not module._forward_hooks for module in model.modules())
    assert list(model.state_dict()) == keys


@pytest.mark.parametrize(
    ("size", "sentence"), [((100, 100), "not a multiple of the largest stride 32"), ((0, 64), "give pixels, 1 or more")]
)
def test_sizes_that_the_detector_cannot_take_are_refused(model, size, sentence):
    with pytest.raises(UsageError, match=sentence):
        count_forms(model, size)


def test_a_part_that_a_detector_does_not_have_counts_nothing_at_all(model):
    model.forward = lambda inputs: model.backbone(inputs)
    del model.neck
    counts = count_parts(model, SIZE)
    assert counts["params_neck"] is counts["macs_neck"] is None
    assert counts["macs"] == counts["macs_backbone"] > 0 == counts["macs_head"]


def test_missing_thop_is_told_with_the_remedy_and_needed_by_no_training(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "thop", None)
    with pytest.raises(UsageError, match=r"thop.*pip install 'yolo_plugins\[analysis\]'"):
        count_forms(model, SIZE)
    assert count_parts(model, SIZE)["params"] > 0


def test_printed_table_has_a_line_a_model_and_names_what_is_not_counted(model):
    model.backbone.stages[3].append(Attention(fused=False))
    rows = count_forms(model, SIZE)
    text = format_table(pd.DataFrame([{"model": "mine"} | row for row in rows]))
    line = next(line.split() for line in text.splitlines() if line.startswith("mine "))
    train, deploy = rows
    millions = [train["params"], train["params_backbone"], train["params_neck"], train["params_head"]]
    billions = [train["flops"], train["flops_backbone"], train["flops_neck"], train["flops_head"]]
    billions += [train["macs"], train["macs_thop"]]
    expected = [value / 1e6 for value in millions] + [value / 1e9 for value in billions]
    expected += [deploy["params"] / 1e6, deploy["flops"] / 1e9]
    assert line[1:] == [f"{value:.3f}" for value in expected]
    assert "\nCounted by neither: aten._softmax aten.add aten.max_pool2d_with_indices aten.silu\n" in text
    assert text.endswith(f"\nmine: thop misses {train['uncounted_by_thop']}")
