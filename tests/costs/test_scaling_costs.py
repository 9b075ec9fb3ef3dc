"""Every formula against a built module that torch counts, and what the article claims of the formulas."""

from fractions import Fraction
from itertools import product

import pytest
import torch
from mmdet.models.backbones import Darknet
from mmpretrain.models.backbones import CSPDarkNet
from mmpretrain.models.backbones.cspnet import CSPStage, DarknetBottleneck
from torch import Tensor, nn

from yolo_plugins.costs.scaling_costs import (
    ARTICLE_SAVINGS,
    ARTICLE_TRANSITION,
    BUILT_TRANSITION,
    LAYERS,
    backbone_receptive_field,
    csp_break_even,
    csp_osa_block,
    csp_saving,
    csp_saving_limit,
    csp_stage_macs,
    dense_block,
    osa_block,
    partial_csp_osa_block,
    receptive_field,
    stage_macs,
    tiny_block,
)
from yolo_plugins.costs.stages import build_csp_stage, build_stage, count_module
from yolo_plugins.errors import UsageError
from yolo_plugins.models.backbones import YOLOv4CSP
from yolo_plugins.models.layers import C3, CSPOSA, Bottleneck, ConvBNAct

WIDTH, HEIGHT = 10, 6

kinds = pytest.mark.parametrize("kind", LAYERS)
sizes = pytest.mark.parametrize(("layers", "channels"), [(1, 64), (2, 128), (5, 64), (9, 256)])
blocks = pytest.mark.parametrize(("layers", "channels", "growth"), [(3, 64, 32), (1, 8, 8), (5, 16, 4), (4, 6, 7)])


def count(module: nn.Module, channels: int) -> int:
    return count_module(module, channels, WIDTH, HEIGHT)[0]


# Residual, ResNeXt and Darknet stages


@kinds
@sizes
def test_plain_stage_costs_what_its_module_costs(kind, layers, channels):
    counted = count(build_stage(kind, layers, channels), channels)
    assert stage_macs(kind, WIDTH, HEIGHT, layers, channels) == counted


@kinds
@sizes
def test_csp_stage_costs_what_its_module_costs(kind, layers, channels):
    counted = count(build_csp_stage(kind, layers, channels), channels)
    assert csp_stage_macs(kind, WIDTH, HEIGHT, layers, channels, BUILT_TRANSITION) == counted
    article = csp_stage_macs(kind, WIDTH, HEIGHT, layers, channels, ARTICLE_TRANSITION)
    assert counted - article == Fraction(3, 2) * WIDTH * HEIGHT * channels**2


def test_layers_have_the_coefficients_of_the_paper():
    assert [(cost.plain, cost.csp) for cost in LAYERS.values()] == [
        (Fraction(17, 16), Fraction(13, 16)),
        (Fraction(137, 128), Fraction(73, 128)),
        (5, Fraction(5, 2)),
    ]


def test_other_builds_of_the_darknet_stage_differ_in_their_transition_alone():
    theirs = CSPStage(DarknetBottleneck, 64, 64, False, expand_ratio=1, bottle_ratio=1, num_blocks=4)
    assert count(theirs, 64) == count(build_csp_stage("darknet", 4, 64), 64)
    without_exit = csp_stage_macs("darknet", WIDTH, HEIGHT, 4, 64, Fraction(2))
    assert count(C3(64, 64, 4), 64) == without_exit


class ThreeQuarters(nn.Module):
    """A stage with the paper's constant: entry and exit around the layers, half of the input bypasses untouched."""

    def __init__(self, layers: int, channels: int) -> None:
        super().__init__()
        half = channels // 2
        blocks = (Bottleneck(half) for _ in range(layers))
        self.main = nn.Sequential(ConvBNAct(channels, half), *blocks, ConvBNAct(half, half))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.main(x), x.chunk(2, dim=1)[1]], dim=1)


def test_a_stage_of_the_papers_constant_can_be_built():
    assert count(ThreeQuarters(4, 64), 64) == csp_stage_macs("darknet", WIDTH, HEIGHT, 4, 64, ARTICLE_TRANSITION)


@kinds
def test_article_savings_are_the_limit_of_many_layers(kind):
    assert round(float(csp_saving_limit(kind)), 3) == ARTICLE_SAVINGS[kind]
    for transition in (ARTICLE_TRANSITION, BUILT_TRANSITION):
        savings = [csp_saving(kind, layers, transition) for layers in (1, 10, 100, 10**6)]
        assert savings == sorted(savings)
        assert 0 < csp_saving_limit(kind) - savings[-1] < 1e-5


@kinds
@pytest.mark.parametrize("layers", [1, 3, 8, 15])
def test_saving_is_that_of_the_built_modules(kind, layers):
    plain, csp = (count(build(kind, layers, 64), 64) for build in (build_stage, build_csp_stage))
    assert csp_saving(kind, layers, BUILT_TRANSITION) == 1 - Fraction(csp, plain)


def test_csp_saves_nothing_below_the_break_even():
    assert [csp_break_even(kind, ARTICLE_TRANSITION) for kind in LAYERS] == [3, Fraction(3, 2), Fraction(3, 10)]
    assert [csp_break_even(kind, BUILT_TRANSITION) for kind in LAYERS] == [9, Fraction(9, 2), Fraction(9, 10)]
    assert csp_saving("residual", 3, ARTICLE_TRANSITION) == csp_saving("residual", 9, BUILT_TRANSITION) == 0
    assert csp_saving("residual", 8, BUILT_TRANSITION) < 0 < csp_saving("residual", 10, BUILT_TRANSITION)


@kinds
def test_cost_is_quadratic_in_size_and_width_and_linear_in_depth(kind):
    alpha, beta, gamma = Fraction(3, 2), 3, 2
    scaled = (alpha * WIDTH, alpha * HEIGHT, beta * 4, gamma * 64)
    assert stage_macs(kind, *scaled) == alpha**2 * beta * gamma**2 * stage_macs(kind, WIDTH, HEIGHT, 4, 64)
    csp = csp_stage_macs(kind, WIDTH, HEIGHT, 4, 64, BUILT_TRANSITION)
    transition = BUILT_TRANSITION * WIDTH * HEIGHT * 64**2
    expected = alpha**2 * gamma**2 * (beta * csp - (beta - 1) * transition)  # a deeper stage has no more transitions
    assert csp_stage_macs(kind, *scaled, BUILT_TRANSITION) == expected


@kinds
@pytest.mark.parametrize(("alpha", "beta", "gamma"), [(2, 1, 1), (1, 3, 1), (1, 1, 2), (2, 2, 2)])
def test_scaled_module_costs_what_the_factors_say(kind, alpha, beta, gamma):
    base = count_module(build_stage(kind, 2, 64), 64, WIDTH, HEIGHT)[0]
    scaled = build_stage(kind, 2 * beta, 64 * gamma)
    counted = count_module(scaled, 64 * gamma, WIDTH * alpha, HEIGHT * alpha)[0]
    assert counted == alpha**2 * beta * gamma**2 * base


@pytest.mark.parametrize(
    ("build", "first_stage", "others", "saved"),
    [
        (Darknet, (5, 0), (5, 0), 0.0),
        (CSPDarkNet, (5, 5), (Fraction(5, 2), BUILT_TRANSITION), 0.296),  # its first stage halves nothing
        (YOLOv4CSP, (5, 0), (Fraction(5, 2), BUILT_TRANSITION), 0.333),
    ],
)
def test_a_backbone_is_its_stem_its_downsampling_and_its_stages(build, first_stage, others, saved):
    repeats, cells_b2 = (1, 2, 8, 8, 4), 128**2 * 64**2  # each stage has a quarter of the cells and twice the channels
    backbone = YOLOv4CSP(repeats, plain_first=True) if build is YOLOv4CSP else build(53)
    counted = count_module(backbone, 3, 256, 256)[0]
    stages = [first_stage, *[others] * 4]
    downsampling = Fraction(9, 2)  # 3x3/2, b/2 -> b: with CSP or without
    shares = [downsampling + layer * k + around for k, (layer, around) in zip(repeats, stages, strict=True)]
    assert counted == 256**2 * 9 * 3 * 32 + cells_b2 * sum(shares)
    assert round(1 - counted / 9_284_091_904, 3) == saved


def test_channels_that_resnexts_groups_do_not_fit_are_refused():
    with pytest.raises(UsageError, match=r"100 channels .* multiple of 64"):
        build_stage("resnext", 2, 100)


# Blocks of tiny models


class Block(nn.Module):
    """3x3 layers and a 1x1 transition."""

    def __init__(self, widths: list[tuple[int, int]], transition: tuple[int, int]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(read, written, 3, padding=1, bias=False) for read, written in widths)
        self.transition = nn.Conv2d(*transition, 1, bias=False)

    def chain(self, x: Tensor) -> list[Tensor]:
        maps = [x]
        for conv in self.convs:
            maps.append(conv(maps[-1]))
        return maps


class Dense(Block):
    def __init__(self, k: int, b: int, g: int) -> None:
        super().__init__([(b + i * g, g) for i in range(k)], (b + k * g, b // 2 + k * g))

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = torch.cat([x, conv(x)], dim=1)
        return self.transition(x)


class OSA(Block):
    def __init__(self, k: int, b: int, g: int) -> None:
        super().__init__([(b, g)] + [(g, g)] * (k - 1), (b + k * g, b // 2 + k * g))

    def forward(self, x: Tensor) -> Tensor:
        return self.transition(torch.cat(self.chain(x), dim=1))


class WholeCSPOSA(Block):
    def __init__(self, k: int, b: int, g: int) -> None:
        super().__init__([(b // 2, g)] + [(g, g)] * (k - 1), (k * g, k * g))

    def forward(self, x: Tensor) -> Tensor:
        bypass, half = x.chunk(2, dim=1)
        return torch.cat([bypass, self.transition(torch.cat(self.chain(half)[1:], dim=1))], dim=1)


class PartialCSPOSA(Block):
    def __init__(self, k: int, b: int, g: int) -> None:
        path = (b // 2 + k * g) // 2
        super().__init__([(b // 2, g)] + [(g, g)] * (k - 1), (path, path))

    def forward(self, x: Tensor) -> Tensor:
        bypass, half = x.chunk(2, dim=1)
        first, second = torch.cat([bypass, *self.chain(half)[1:]], dim=1).chunk(2, dim=1)
        return torch.cat([first, self.transition(second)], dim=1)


@pytest.mark.parametrize(
    ("formula", "build"),
    [(dense_block, Dense), (osa_block, OSA), (csp_osa_block, WholeCSPOSA), (partial_csp_osa_block, PartialCSPOSA)],
)
@pytest.mark.parametrize(("layers", "channels", "growth"), [(3, 64, 32), (1, 8, 8), (5, 16, 4), (3, 12, 6)])
def test_tiny_block_costs_what_its_module_costs(formula, build, layers, channels, growth):
    module = build(layers, channels, growth)
    cost = formula(WIDTH, HEIGHT, layers, channels, growth)
    assert (cost.macs, cost.io) == count_module(module, channels, WIDTH, HEIGHT)
    returned = module(torch.zeros(1, channels, HEIGHT, WIDTH, device="meta"))
    assert returned.shape == (1, channels // 2 + layers * growth, HEIGHT, WIDTH)


@pytest.mark.parametrize("channels", [8, 64])
def test_yolov4_tiny_block_costs_what_its_module_costs(channels):
    cost = tiny_block(WIDTH, HEIGHT, channels)
    assert (cost.macs, cost.io) == count_module(CSPOSA(channels), channels, WIDTH, HEIGHT)
    theory = partial_csp_osa_block(WIDTH, HEIGHT, 3, channels, channels // 2)
    cells = WIDTH * HEIGHT
    assert cost.macs - theory.macs == cells * 9 * (channels**2 - channels**2 // 4)  # b -> b instead of b/2 -> b/2
    assert cost.io - theory.io == cells * channels


@blocks
def test_tiny_blocks_have_the_closed_forms_of_the_page(layers, channels, growth):
    k, b, g = layers, channels, growth
    half, cells = Fraction(b, 2), WIDTH * HEIGHT
    dense, osa, csp, partial = (
        block(WIDTH, HEIGHT, k, b, g) for block in (dense_block, osa_block, csp_osa_block, partial_csp_osa_block)
    )
    assert dense.macs == cells * (9 * (k * g * b + g**2 * k * (k - 1) // 2) + (b + k * g) * (half + k * g))
    assert osa.macs == cells * (9 * (g * b + g**2 * (k - 1)) + (b + k * g) * (half + k * g))
    assert csp.macs == cells * (9 * (g * half + g**2 * (k - 1)) + (k * g) ** 2)
    assert partial.macs == cells * (9 * (g * half + g**2 * (k - 1)) + (half + k * g) ** 2 / 4)
    assert dense.io == cells * (k * b + g * k * (k + 1) / 2 + Fraction(3, 2) * b + 2 * k * g)
    assert osa.io == cells * (Fraction(5, 2) * b + 4 * k * g - g)
    assert csp.io == cells * (half + 4 * k * g - g)
    assert partial.io == cells * (b + 3 * k * g - g)


def test_tiny_blocks_have_the_figures_of_the_page():
    k, b, g = 3, 64, 32
    costs = [block(1, 1, k, b, g) for block in (dense_block, osa_block, csp_osa_block, partial_csp_osa_block)]
    costs.append(tiny_block(1, 1, b))
    assert [cost.macs / b**2 for cost in costs] == [25.25, 14, 9, 7.75, 14.5]
    assert [cost.io / b for cost in costs] == [10.5, 8, 6, 5, 6]


@blocks
def test_orders_leave_out_lower_terms_the_kernel_and_the_transition(layers, channels, growth):
    k, b, g, cells = layers, channels, growth, WIDTH * HEIGHT
    dense, osa, csp = (block(WIDTH, HEIGHT, k, b, g) for block in (dense_block, osa_block, csp_osa_block))
    assert dense.layer_macs / 9 - dense.order == cells * g**2 * k * (k - 1) / 2
    assert osa.layer_macs / 9 - osa.order == cells * (min(g * b, k * g**2) - g**2)
    assert csp.layer_macs / 9 - csp.order == cells * (min(g * Fraction(b, 2), k * g**2) - g**2)


def test_order_of_all_tiny_blocks_is_below_that_of_a_residual_stage():
    for k, b, g in product(range(2, 9), range(8, 65, 8), range(2, 64)):
        if g < b:
            orders = [block(1, 1, k, b, g).order for block in (dense_block, osa_block, csp_osa_block)]
            assert max(orders) < k * b**2
            assert (
                csp_osa_block(1, 1, k, b, g).order <= osa_block(1, 1, k, b, g).order <= dense_block(1, 1, k, b, g).order
            )


def test_partial_block_has_the_best_cio_exactly_where_all_layers_are_wider_than_half_the_base():
    for k, b, g in product(range(1, 9), range(2, 65, 2), range(1, 65)):
        others = [block(1, 1, k, b, g).io for block in (dense_block, osa_block, csp_osa_block)]
        if 2 * k * g < b:
            with pytest.raises(UsageError, match="equal paths"):
                partial_csp_osa_block(1, 1, k, b, g)
        else:
            best = partial_csp_osa_block(1, 1, k, b, g).io
            assert best < min(others) if 2 * k * g > b else best == min(others)


# Receptive field


def seen_side(module: nn.Module, side: int, channels: int) -> int:
    """Side of the square of input pixels with a gradient from the centre cell of the last map."""
    module = module.double().eval()
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.constant_(part.weight, 1 / part.weight[0].numel())
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    image = torch.ones(1, channels, side, side, dtype=torch.float64, requires_grad=True)
    output = module(image)
    last = output[-1] if isinstance(output, tuple) else output
    last[0, :, last.shape[2] // 2, last.shape[3] // 2].sum().backward()
    touched = image.grad[0].abs().sum(0) > 0  # (C, H, W) -> (H, W)
    rows, columns = touched.any(1).sum(), touched.any(0).sum()
    assert rows == columns < side  # else the image cuts it off
    return int(rows)


@pytest.mark.parametrize(
    "layers", [[(3, 1)], [(1, 1), (3, 2), (3, 1)], [(7, 2), (3, 2), (5, 1), (3, 2), (3, 1)], [(2, 2), (2, 2), (3, 1)]]
)
def test_receptive_field_is_what_the_centre_cell_depends_on(layers):
    convs = [nn.Conv2d(2, 2, kernel, stride, kernel // 2) for kernel, stride in layers]
    assert seen_side(nn.Sequential(*convs), 120, 2) == receptive_field(layers)


@pytest.mark.parametrize("plain_first", [False, True])
@pytest.mark.parametrize("repeats", [(1, 2, 1), (2, 1, 3), (1, 1, 2, 1)])
def test_receptive_field_of_a_backbone_is_what_its_centre_cell_depends_on(repeats, plain_first):
    repeats = (1, *repeats[1:]) if plain_first else repeats
    backbone = YOLOv4CSP(repeats, widen_factor=0.125, plain_first=plain_first)
    assert seen_side(backbone, 256, 3) == backbone_receptive_field(repeats)


def test_receptive_field_does_not_depend_on_width():
    sides = {seen_side(YOLOv4CSP((1, 2, 1), widen_factor=width), 96, 3) for width in (0.125, 0.25)}
    assert sides == {backbone_receptive_field((1, 2, 1))}


def test_receptive_field_has_the_closed_form_of_the_page():
    for repeats in ((1,), (1, 2, 8, 8, 4), (1, 3, 15, 15, 7, 7, 7)):
        terms = (2**stage * (2 * count + 1) for stage, count in enumerate(repeats, start=1))
        assert backbone_receptive_field(repeats) == 3 + sum(terms)


def test_receptive_fields_of_the_published_backbones():
    p7 = (1, 3, 15, 15, 7, 7, 7)
    assert backbone_receptive_field((1, 2, 8, 8, 4)) == 725
    assert [backbone_receptive_field(p7[:stages]) for stages in (5, 6, 7)] == [1261, 2221, 4141]
