"""The tables of Scaled-YOLOv4's scaling theory as text: the article's figures, the formulas, and modules as built."""

from fractions import Fraction

from yolo_plugins.costs import scaling_costs as costs
from yolo_plugins.costs.stages import build_csp_stage, build_stage, count_module
from yolo_plugins.errors import UsageError
from yolo_plugins.models.layers import CSPOSA

_BUILDERS = (build_stage, build_csp_stage)
_TRANSITIONS = (costs.ARTICLE_TRANSITION, costs.BUILT_TRANSITION)

_WHY = """\
The article's figures are the limit of many layers. The 1x1 convolutions around the layers, 3/4 w h b^2 in the paper's
table and 9/4 w h b^2 in the modules, are made once in a stage: few layers save less, or nothing."""

# Repeats of the stages and test size in pixels, as released.
_BACKBONES = {
    "YOLOv4-CSP": ((1, 2, 8, 8, 4), 640),
    "YOLOv4-P5": ((1, 3, 15, 15, 7), 896),
    "YOLOv4-P6": ((1, 3, 15, 15, 7, 7), 1280),
    "YOLOv4-P7": ((1, 3, 15, 15, 7, 7, 7), 1536),
}


def format_stages(layers: int, channels: int, size: int) -> str:
    """MACs of plain and CSP-ised stages, and how they grow when the map's sides, the depth or the width double.

    Args:
        layers: Layers of a stage, k.
        channels: Channels of a stage, b; a multiple of 64.
        size: Cells on each side of the map.

    Raises:
        UsageError: A number below 1, or channels that the stages cannot have.
    """
    lines = [
        f"Stages of {layers} layers, {channels} channels, {size} x {size} cells: MACs, and their growth by doubling",
        f"{'':<14}{'per cell and b^2':<17}{'formula':>15}{'built':>15}{'size':>7}{'depth':>7}{'width':>7}",
    ]
    base = (size, size, layers, channels)
    doubled = [(2 * size, 2 * size, layers, channels), (size, size, 2 * layers, channels), (*base[:3], 2 * channels)]
    for kind, cost in costs.LAYERS.items():
        plain, csp = _count(kind, layers, channels, size)
        rows = (
            (kind, f"{cost.plain} k", plain, [costs.stage_macs(kind, *given) for given in (base, *doubled)]),
            (
                f"{kind}, CSP",
                f"{costs.BUILT_TRANSITION} + {cost.csp} k",
                csp,
                [costs.csp_stage_macs(kind, *given, costs.BUILT_TRANSITION) for given in (base, *doubled)],
            ),
        )
        for name, formula, built, macs in rows:
            growth = "".join(f"{float(grown / macs[0]):7.2f}" for grown in macs[1:])
            lines.append(f"{name:<14}{formula:<17}{int(macs[0]):>15,}{built:>15,}{growth}")
    return "\n".join(lines)


def format_savings(layers: int, channels: int, size: int) -> str:
    """What CSP-ising saves: the article, the limit, both transitions, the modules; and where it begins to save.

    Arguments and errors as in `format_stages`.
    """
    lines = [
        f"Saved by CSP, {layers} layers: article; formula for many layers, with transition 3/4, with 9/4; as built",
        f"{'':<14}{'article':>8}{'many':>8}{'3/4':>8}{'9/4':>8}{'built':>8}   nothing up to k = (3/4, 9/4)",
    ]
    for kind in costs.LAYERS:
        plain, csp = _count(kind, layers, channels, size)
        shares: list[float | Fraction] = [
            costs.ARTICLE_SAVINGS[kind],
            costs.csp_saving_limit(kind),
            *(costs.csp_saving(kind, layers, transition) for transition in _TRANSITIONS),
            1 - csp / plain,
        ]
        limits = ", ".join(f"{float(costs.csp_break_even(kind, transition)):g}" for transition in _TRANSITIONS)
        lines.append(f"{kind:<14}" + "".join(f"{float(share):8.1%}" for share in shares) + f"   {limits}")
    return "\n".join([*lines, _WHY])


def format_blocks(layers: int, channels: int, growth: int, size: int) -> str:
    """Order of computation, MACs and CIO of the blocks for tiny models, and of YOLOv4-tiny's as built.

    Args:
        layers: 3x3 layers of a block, k.
        channels: Channels of the base map, b; even.
        growth: Channels that a layer adds, g.
        size: Cells on each side of the map.

    Raises:
        UsageError: A number below 1, channels b or b/2 + k g that have no halves, or k g < b/2.
    """
    _check(layers, channels, growth, size)
    if channels % 2 or (channels // 2 + layers * growth) % 2:
        raise UsageError(
            f"{channels} channels, {layers} layers of growth {growth}: the channels b and b/2 + k g are to be halved, "
            "give even ones"
        )
    given = (size, size, layers, channels, growth)
    rows = {
        "dense": costs.dense_block(*given),
        "OSA": costs.osa_block(*given),
        "CSP-OSA": costs.csp_osa_block(*given),
        "partial CSP-OSA": costs.partial_csp_osa_block(*given),
        "YOLOv4-tiny's": costs.tiny_block(size, size, channels),
    }
    lines = [
        f"Blocks of {layers} layers, {channels} channels, growth {growth}, {size} x {size} cells; w h k b^2 = "
        f"{size**2 * layers * channels**2:,}",
        f"{'':<17}{'order':>13}{'MACs 3x3':>15}{'MACs 1x1':>15}{'CIO':>13}",
    ]
    for name, cost in rows.items():
        order, spatial, transition, io = map(int, (cost.order, cost.layer_macs, cost.transition_macs, cost.io))
        lines.append(f"{name:<17}{order:>13,}{spatial:>15,}{transition:>15,}{io:>13,}")
    macs, built_io = count_module(CSPOSA(channels), channels, size, size)
    lines.append(
        f"As built, YOLOv4-tiny's block of k = 3, g = {channels // 2} counts {macs:,} MACs and a CIO of {built_io:,}."
    )
    lines.append("Split in equal paths, the partial block has the smallest CIO of the first four where k g > b/2.")
    return "\n".join(lines)


def format_receptive_fields() -> str:
    """Receptive field of the last map of the released backbones, and when depth or stages grow."""
    lines = [
        "Receptive field of the last map in pixels; width does not enter",
        f"{'':<14}{'field':>7}{'input':>7}{'ratio':>7}{'depth x 2':>11}{'one stage more':>16}",
    ]
    for name, (repeats, size) in _BACKBONES.items():
        field = costs.backbone_receptive_field(repeats)
        deeper = costs.backbone_receptive_field(2 * count for count in repeats)
        longer = costs.backbone_receptive_field((*repeats, repeats[-1]))
        lines.append(f"{name:<14}{field:>7}{size:>7}{field / size:>7.2f}{deeper:>11}{longer:>16}")
    return "\n".join(lines)


def _count(kind: str, layers: int, channels: int, size: int) -> list[int]:
    """MACs of the built plain stage and the built CSP stage."""
    _check(layers, channels, size)
    return [count_module(build(kind, layers, channels), channels, size, size)[0] for build in _BUILDERS]


def _check(*numbers: int) -> None:
    if min(numbers) < 1:
        raise UsageError(f"{min(numbers)} is no number of layers, channels or cells: give 1 or more")
