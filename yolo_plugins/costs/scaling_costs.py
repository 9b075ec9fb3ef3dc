"""Costs of the stages that detectors are scaled from: MACs, convolutional input and output (CIO), receptive field.

Source: Wang et al., "Scaled-YOLOv4" (CVPR 2021), section 3; docs/scaling.md derives each formula and compares it with
the article's figures. All results are exact, and tests build every stage and count it. The map has `width` x `height`
cells (w, h); a stage has `layers` (k) and `channels` (b), a layer of the tiny blocks adds `growth` channels (g).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from yolo_plugins.errors import UsageError

Number = int | Fraction

_HALF, _QUARTER = Fraction(1, 2), Fraction(1, 4)

ARTICLE_SAVINGS = {"residual": 0.235, "resnext": 0.467, "darknet": 0.500}  # of ResNet, ResNeXt and Darknet

# MACs per cell and b^2 of the 1x1 convolutions around the layers of a CSP stage.
ARTICLE_TRANSITION = Fraction(3, 4)  # the constant of the paper's table 2, for instance entry 1/2 + exit 1/4
BUILT_TRANSITION = Fraction(9, 4)  # entry 1/2 + bypass 1/2 + exit 1/4 + fusion 1: BottleneckCSP, mmpretrain's CSPStage


@dataclass(frozen=True)
class LayerCost:
    """MACs per cell and b^2 of one layer.

    Attributes:
        plain: of the layer on all b channels.
        csp: of the same layer on b/2 channels; those between its convolutions stay as many as they were.
    """

    plain: Fraction
    csp: Fraction


def _bottleneck(outer: Number, hidden: Fraction, groups: int = 1) -> Fraction:
    """1x1 outer -> hidden, 3x3 hidden -> hidden in groups, 1x1 hidden -> outer; channels as shares of b."""
    return outer * hidden + 9 * hidden * hidden / groups + hidden * outer


def _darknet_layer(outer: Number, hidden: Fraction) -> Fraction:
    """1x1 outer -> hidden, 3x3 hidden -> outer; channels as shares of b."""
    return outer * hidden + 9 * hidden * outer


LAYERS = {
    "residual": LayerCost(_bottleneck(1, _QUARTER), _bottleneck(_HALF, _QUARTER)),  # 17/16 and 13/16
    "resnext": LayerCost(_bottleneck(1, _HALF, 32), _bottleneck(_HALF, _HALF, 32)),  # 137/128 and 73/128
    "darknet": LayerCost(_darknet_layer(1, _HALF), _darknet_layer(_HALF, _HALF)),  # 5 and 5/2
}


def stage_macs(kind: str, width: Number, height: Number, layers: Number, channels: Number) -> Fraction:
    """MACs of a stage of plain layers: w h k b^2 x 17/16 (residual), 137/128 (resnext), 5 (darknet).

    A factor alpha on both sides of the map, beta on the layers and gamma on the channels gives alpha^2 beta gamma^2.

    Args:
        kind: Key of `LAYERS`.
        width: Cells of the map, w.
        height: Cells of the map, h.
        layers: k.
        channels: b, of the stage's input and output.
    """
    return width * height * layers * channels**2 * LAYERS[kind].plain


def csp_stage_macs(
    kind: str, width: Number, height: Number, layers: Number, channels: Number, transition: Fraction
) -> Fraction:
    """MACs of the CSP-ised stage: w h b^2 x (transition + k x 13/16, 73/128 or 5/2).

    Factors alpha and gamma enter as in `stage_macs`, beta only with the layers.

    Args:
        kind: Key of `LAYERS`.
        width: Cells of the map, w.
        height: Cells of the map, h.
        layers: k.
        channels: b, of the stage's input and output.
        transition: `ARTICLE_TRANSITION`, `BUILT_TRANSITION`, or that of another CSP block.
    """
    return width * height * channels**2 * (transition + layers * LAYERS[kind].csp)


def csp_saving(kind: str, layers: Number, transition: Fraction) -> Fraction:
    """Share of a stage's MACs that CSP-ising saves, below 1; negative where the stage becomes costlier."""
    return 1 - csp_stage_macs(kind, 1, 1, layers, 1, transition) / stage_macs(kind, 1, 1, layers, 1)


def csp_saving_limit(kind: str) -> Fraction:
    """What `csp_saving` approaches with more and more layers, whatever the transition: the article's figures."""
    return csp_saving(kind, 1, Fraction(0))


def csp_break_even(kind: str, transition: Fraction) -> Fraction:
    """The number of layers above which CSP-ising saves computation."""
    return transition / (LAYERS[kind].plain - LAYERS[kind].csp)


@dataclass(frozen=True)
class BlockCost:
    """Cost of a block of 3x3 layers that ends with a 1x1 transition.

    Attributes:
        order: The article's order of computation, which leaves out the transition, the kernel's 9 cells, and all but
            the leading term.
        layer_macs: MACs of the 3x3 convolutions.
        transition_macs: MACs of the 1x1 convolution.
        io: CIO: numbers read and written by all convolutions, their weights not counted.
    """

    order: Number
    layer_macs: Number
    transition_macs: Number
    io: Number

    @property
    def macs(self) -> Number:
        """MACs of all convolutions."""
        return self.layer_macs + self.transition_macs


_Channels = tuple[Number, Number]  # of a convolution's input and output


def _block_cost(cells: Number, order: Number, layers: Sequence[_Channels], transition: _Channels) -> BlockCost:
    return BlockCost(
        order=cells * order,
        layer_macs=cells * 9 * sum(read * written for read, written in layers),
        transition_macs=cells * transition[0] * transition[1],
        io=cells * sum(read + written for read, written in [*layers, transition]),
    )


def dense_block(width: int, height: int, layers: int, channels: int, growth: int) -> BlockCost:
    """Dense block: each layer reads the base map and all layers before it, b + (i - 1) g -> g; 1x1 over all of them.

    As every block here it returns b/2 + k g channels, those of the CSP blocks, so that all do the same job.

    Args:
        width: Cells of the map, w.
        height: Cells of the map, h.
        layers: k.
        channels: b, of the base map.
        growth: g.
    """
    convs: list[_Channels] = [(channels + index * growth, growth) for index in range(layers)]
    transition = (channels + layers * growth, _returned(layers, channels, growth))
    return _block_cost(width * height, layers * channels * growth, convs, transition)


def osa_block(width: int, height: int, layers: int, channels: int, growth: int) -> BlockCost:
    """One-shot aggregation: a chain b -> g, g -> g ...; 1x1 over the base map and all layers. Arguments as above."""
    convs: list[_Channels] = [(channels, growth), *[(growth, growth)] * (layers - 1)]
    transition = (channels + layers * growth, _returned(layers, channels, growth))
    return _block_cost(width * height, max(channels * growth, layers * growth**2), convs, transition)


def csp_osa_block(width: int, height: int, layers: int, channels: int, growth: int) -> BlockCost:
    """OSA on half of the base map, b/2 -> g, g -> g ...; 1x1 over all layers, k g -> k g; the other half bypasses."""
    convs = _partial_chain(layers, channels, growth)
    transition = (layers * growth, layers * growth)
    return _block_cost(width * height, _partial_order(layers, channels, growth), convs, transition)


def partial_csp_osa_block(width: int, height: int, layers: int, channels: int, growth: int) -> BlockCost:
    """CSP-OSA with partial in computational block: first layers bypass too, until both paths are equally wide.

    Of the b/2 + k g channels one half goes through the 1x1 convolution, which keeps their number. Arguments as above.

    Raises:
        UsageError: k g < b/2, where the bypassing half of the base map alone is wider than one path.
    """
    if layers * growth < Fraction(channels, 2):
        raise UsageError(
            f"{layers} layers of growth {growth} on {channels} channels cannot be split into equal paths: "
            f"give layers x growth of {channels}/2 or more"
        )
    convs = _partial_chain(layers, channels, growth)
    path = _returned(layers, channels, growth) / 2
    return _block_cost(width * height, _partial_order(layers, channels, growth), convs, (path, path))


def tiny_block(width: int, height: int, channels: int) -> BlockCost:
    """YOLOv4-tiny's block as it is built (`CSPOSA`): the partial block of k = 3, g = b/2, but its first layer b -> b.

    Half of what that layer returns is the chain's first g channels, the other takes the place of the bypassing input.
    """
    half = Fraction(channels, 2)
    convs: list[_Channels] = [(channels, channels), (half, half), (half, half)]
    return _block_cost(width * height, 3 * half**2, convs, (channels, channels))


def _returned(layers: int, channels: int, growth: int) -> Fraction:
    return Fraction(channels, 2) + layers * growth


def _partial_chain(layers: int, channels: int, growth: int) -> list[_Channels]:
    later: list[_Channels] = [(growth, growth)] * (layers - 1)
    return [(Fraction(channels, 2), growth), *later]


def _partial_order(layers: int, channels: int, growth: int) -> Fraction:
    return max(Fraction(channels * growth, 2), Fraction(layers * growth**2))


def receptive_field(layers: Iterable[tuple[int, int]]) -> int:
    """Side, in input pixels, of the square that one cell after a chain of convolutions or pools sees.

    A kernel of n cells adds n - 1 steps, a step being the product of the strides before it.

    Args:
        layers: (side of the kernel in cells, stride) from the input on; no dilation.
    """
    field, step = 1, 1
    for kernel_size, stride in layers:
        field += (kernel_size - 1) * step
        step *= stride
    return field


def backbone_receptive_field(repeats: Iterable[int]) -> int:
    """Side, in input pixels, of what one cell of the last map of `YOLOv4CSP` sees: 3 + sum of 2^i (2 r_i + 1).

    Width has no part in it. Bypasses see less than the main path, so a first stage without CSP changes nothing.

    Args:
        repeats: r_1, r_2 ..., the residual bottlenecks of each stage, as built (after `deepen_factor`).
    """
    layers = [(3, 1)]  # the stem
    for count in repeats:
        layers += [(3, 2), *[(3, 1)] * count]  # 1x1 convolutions see one cell
    return receptive_field(layers)
