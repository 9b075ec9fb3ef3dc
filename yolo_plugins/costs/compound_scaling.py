"""Compound scaling of Scaled-YOLOv4 within a budget: size and stages first, then depth and width.

Source: Wang et al., "Scaled-YOLOv4" (CVPR 2021), section 3; docs/scaling.md states the rule and where the released
models differ from it. Variants are built without memory for their weights and counted, for VOC's 20 classes.
"""

import json
import math
import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from yolo_plugins.config import input_hw, load_config
from yolo_plugins.costs.complexity import count_parts
from yolo_plugins.costs.scaling_costs import backbone_receptive_field
from yolo_plugins.costs.utilization import flops_of
from yolo_plugins.errors import UsageError
from yolo_plugins.files import REPO
from yolo_plugins.models.layers import scale_depth
from yolo_plugins.registry import MODELS

_BASES = ("yolov4_csp", "yolov4_p5", "yolov4_p6", "yolov4_p7")
_HEADS = {5: "yolov4_p5", 6: "yolov4_p6", 7: "yolov4_p7"}  # whose anchors and balance fit a number of stages
_SIZE_STEP = 128  # pixels: stride of seven stages; the released sizes are multiples of it
_SMALLEST = 384  # pixels: the smallest such multiple of at least the study's 320
_DEPTHS = (1.0, 1.33, 1.67, 2.0)  # thirds, YOLOv5's steps; up to twice
_WIDTHS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)  # quarters, the steps of YOLOv5 and P7; up to twice
_MEASURED_SHARE = 0.075  # of a V100's peak, by YOLOv4-CSP: 70 of 933 images/s in the article


@dataclass(frozen=True)
class Variant:
    """A size of the family.

    Attributes:
        size: Side of the square input in pixels.
        stages: Of the backbone; the largest stride is 2^stages pixels.
        depth: `deepen_factor` of backbone and neck.
        width: `widen_factor` of backbone and neck.
        params: Parameters.
        macs: Multiply-accumulates of one image.
        receptive_field: Side of what a cell of the backbone's last map sees, in pixels.
    """

    size: int
    stages: int
    depth: float
    width: float
    params: int
    macs: int
    receptive_field: int

    @property
    def coverage(self) -> float:
        """Receptive field against input size: from 1 on, a cell in the middle sees the whole image."""
        return self.receptive_field / self.size

    def __str__(self) -> str:
        return f"{self.size} px, {self.stages} stages, depth {self.depth:g}, width {self.width:g}"


@dataclass(frozen=True)
class Base:
    """The released model that is scaled: its name in the configs, its size in pixels, and what all variants keep."""

    name: str
    size: int
    repeats: tuple[int, ...]
    plain_first: bool
    num_blocks: int
    width: float

    @classmethod
    @cache
    def read(cls, name: str) -> "Base":
        """Reads a model of the family from its configs.

        Raises:
            UsageError: The name is none of the family's.
        """
        if name not in _BASES:
            raise UsageError(f"--base {name!r}: the rule is Scaled-YOLOv4's; give {', '.join(_BASES)}")
        model = load_config(f"{name}_voc").model
        return cls(
            name=name,
            size=max(input_hw(load_config(f"{name}_coco"))),
            repeats=tuple(model.backbone.repeats),
            plain_first=model.backbone.plain_first,
            num_blocks=model.neck.num_blocks,
            width=model.backbone.get("widen_factor", 1.0),
        )

    def as_released(self) -> Variant:
        """The base itself."""
        return self.variant(self.size, len(self.repeats), 1.0, self.width)

    def variant(self, size: int, stages: int, depth: float, width: float) -> Variant:
        """Counts a variant; `size` is a multiple of 2^stages."""
        params, macs = _count(self, stages, depth, width)
        field = self.receptive_field(stages, depth)
        return Variant(size, stages, depth, width, params, macs * (size // 2**stages) ** 2, field)

    def receptive_field(self, stages: int, depth: float = 1.0) -> int:
        """Receptive field of so many stages in pixels."""
        return backbone_receptive_field(scale_depth(count, depth) for count in self.repeats_of(stages))

    def covers(self, size: int, stages: int) -> bool:
        """Whether so many stages see an image at least as well as the base's stages see the base's."""
        return self.receptive_field(stages) * self.size >= self.receptive_field(len(self.repeats)) * size

    def head(self, stages: int) -> str:
        """The released model whose anchors and balance of levels a variant takes."""
        return self.name if stages == len(self.repeats) else _HEADS[stages]

    def changes(self, stages: int, depth: float, width: float) -> dict[str, dict[str, Any]]:
        """What a variant changes in the `model` of its `head`."""
        factors = dict(deepen_factor=depth, widen_factor=width)
        return dict(
            backbone=dict(repeats=self.repeats_of(stages), plain_first=self.plain_first, **factors),
            neck=dict(num_blocks=self.num_blocks, **factors),
        )

    def repeats_of(self, stages: int) -> tuple[int, ...]:
        """Of so many stages at depth 1: further ones are as deep as the last."""
        return (self.repeats + self.repeats[-1:] * stages)[:stages]


@cache
def _count(base: Base, stages: int, depth: float, width: float) -> tuple[int, int]:
    """Parameters, and MACs of an image of one cell at the largest stride; all maps grow with the image's area."""
    model = load_config(f"{base.head(stages)}_voc").model
    for part, changes in base.changes(stages, depth, width).items():
        model[part].update(changes)
    with torch.device("meta"):
        counts = count_parts(MODELS.build(model), (2**stages, 2**stages))
    return counts["params"], counts["macs"]


@dataclass(frozen=True)
class Choice:
    """What the rule finds within a budget.

    Attributes:
        base: Where it started.
        budget: MACs of one image.
        shapes: First step: all sizes and stages within the budget, at the depth of the base, best first.
        scaled: Second step: all depths and widths within the budget at the best size and stages, best first.
        refused: What was over the budget next: a larger size, a deeper variant, a wider one.
    """

    base: Base
    budget: float
    shapes: list[Variant]
    scaled: list[Variant]
    refused: list[Variant]

    @property
    def chosen(self) -> Variant:
        """The variant to train."""
        return self.scaled[0]


def choose(base_name: str, budget: float, sizes: Iterable[int] | None = None) -> Choice:
    """Spends a budget on size and stages, then on depth, then on width.

    The largest size comes first, with the fewest stages that see it at least as well as the base sees its own. A width
    below the base's is taken only where no size fits otherwise, for width has no effect on the receptive field.

    Args:
        base_name: A model of the family, such as "yolov4_p5".
        budget: MACs of one image.
        sizes: Sides of the square input to choose from, in pixels; by default all multiples of 128 from 384 on.

    Raises:
        UsageError: An unknown base; a budget that is no number or below the smallest variant; sizes that no number of
            stages takes, or sees well enough.
    """
    base = Base.read(base_name)
    if not 0 < budget < math.inf:
        raise UsageError(f"--budget-macs {budget:g}: give the multiply-accumulates of one image, such as 50e9")
    candidates = _candidates(base, sizes)
    for width in (width for width in reversed(_WIDTHS) if width <= base.width):
        tried = [base.variant(*shape, 1.0, width) for shape in candidates]
        shapes = [variant for variant in tried if variant.macs <= budget]
        if shapes:
            break
    else:
        smallest = min(tried, key=lambda variant: variant.macs)
        raise UsageError(
            f"--budget-macs {budget:g} is below the smallest variant of {base.name}, {smallest}: {smallest.macs:,}; "
            "give that many or smaller --sizes"
        )
    size, stages = shapes[0].size, shapes[0].stages
    larger = sorted((variant for variant in tried if variant.size > size), key=lambda variant: variant.macs)
    deeper = _until_over((base.variant(size, stages, depth, width) for depth in _DEPTHS), budget)
    depths = [variant.depth for variant in deeper if variant.macs <= budget]
    widths = [w for w in _WIDTHS if w >= width]
    rows = [_until_over((base.variant(size, stages, depth, w) for w in widths), budget) for depth in depths]
    return Choice(
        base=base,
        budget=budget,
        shapes=shapes,
        scaled=[variant for row in reversed(rows) for variant in reversed(row) if variant.macs <= budget],
        refused=[variant for variant in (*larger[:1], deeper[-1], rows[-1][-1]) if variant.macs > budget],
    )


def _until_over(variants: Iterable[Variant], budget: float) -> list[Variant]:
    """Of ever costlier variants those within the budget and, if there is one, the first that is over it."""
    taken = []
    for variant in variants:
        taken.append(variant)
        if variant.macs > budget:
            break
    return taken


def _candidates(base: Base, sizes: Iterable[int] | None) -> list[tuple[int, int]]:
    """(size, stages) whose receptive field keeps up with the image: by falling size, then by rising stages."""
    demanded = base.as_released().coverage
    limit = int(base.receptive_field(max(_HEADS)) / demanded) // _SIZE_STEP * _SIZE_STEP
    shapes = []
    for size in sorted(range(_SMALLEST, limit + 1, _SIZE_STEP) if sizes is None else set(sizes), reverse=True):
        fitting = [stages for stages in _HEADS if size > 0 and size % 2**stages == 0 and base.covers(size, stages)]
        if not fitting:
            raise UsageError(
                f"--sizes {size}: no number of stages whose largest stride (32, 64, 128) divides it has a receptive "
                f"field of {demanded:.2f} times that, as {base.name} has at {base.size} px; give multiples of "
                f"{_SIZE_STEP} up to {limit}"
            )
        shapes += [(size, stages) for stages in fitting]
    return shapes


def format_choice(choice: Choice, device_peak: float | None = None) -> str:
    """Both steps as tables of the variants within the budget, what came next and was over it, and the choice.

    Args:
        choice: Of `choose`.
        device_peak: FLOP/s of a device; adds the images/s that the FLOPs alone would allow.

    Raises:
        UsageError: The peak is no positive number.
    """
    if device_peak is not None and not 0 < device_peak < math.inf:
        raise UsageError(f"--device-peak {device_peak:g}: give floating-point operations a second, such as 112e12")
    base = choice.base.as_released()
    tables = {
        f"1. Size, then the fewest stages with a receptive field of {base.coverage:.2f} times the size": choice.shapes,
        f"2. Depth, then width, at {choice.chosen.size} px and {choice.chosen.stages} stages": choice.scaled,
        "Next and over the budget": choice.refused,
    }
    header = (
        f"{'size':>6}{'stages':>8}{'depth':>7}{'width':>7}{'params':>15}{'MACs':>21}{'of budget':>11}"
        f"{'field':>8}{'times':>7}" + (f"{'images/s':>10}" if device_peak else "")
    )
    lines = [
        f"Base {choice.base.name}: {base}; {base.params:,} parameters, {base.macs:,} MACs, "
        f"receptive field {base.receptive_field:,} px, {base.coverage:.2f} times its size",
        f"Budget {choice.budget:,.0f} MACs; the first row of each step is taken",
    ]
    for title, variants in tables.items():
        rows = [_row(variant, choice.budget, device_peak) for variant in variants]
        lines += ["", title, header, *rows] if rows else []
    if device_peak:
        lines.append(
            f"images/s: {device_peak / 1e12:g} TFLOP/s over 2 x MACs, an upper limit; of that of a V100, YOLOv4-CSP "
            f"reached {_MEASURED_SHARE:.1%}"
        )
    return "\n".join([*lines, "", f"Chosen: {choice.chosen}", *_beside_released(choice)])


def _row(variant: Variant, budget: float, device_peak: float | None) -> str:
    speed = f"{device_peak / flops_of(variant.macs):10.1f}" if device_peak else ""
    return (
        f"{variant.size:6}{variant.stages:8}{variant.depth:7g}{variant.width:7g}{variant.params:15,}{variant.macs:21,}"
        f"{variant.macs / budget:11.1%}{variant.receptive_field:8,}{variant.coverage:7.2f}{speed}"
    )


def _beside_released(choice: Choice) -> list[str]:
    """Whether the choice is a released model, and if not, why not the largest one within the budget."""
    chosen, base = choice.chosen, choice.base
    family = [model for model in map(Base.read, _BASES) if model.repeats == base.repeats_of(len(model.repeats))]
    released = {model.name: variant for model in family if (variant := model.as_released()).macs <= choice.budget}
    if not released:
        return []
    name, model = max(released.items(), key=lambda item: item[1].macs)
    if model == chosen:
        return [f"It is {name} as released"]
    shapes = {(variant.size, variant.stages) for variant in choice.shapes}
    if not base.covers(model.size, model.stages):
        reason = f"its receptive field is {model.coverage:.2f} times its size, less than that of {base.name}"
    elif (model.size, model.stages) not in shapes:
        reason = "its size is not among --sizes"
    elif model.size < chosen.size:
        reason = f"size comes first, and {chosen.size} px are within the budget"
    elif model.stages > chosen.stages:
        reason = f"the field of {chosen.stages} stages is wide enough for {chosen.size} px"
    else:
        reason = "it is not as deep and wide as the budget allows, depth first"
    return [f"{name} as released ({model}; {model.macs:,} MACs) is within the budget too; not chosen: {reason}"]


def config_text(choice: Choice, path: Path) -> str:
    """A config that trains the chosen variant on VOC, by the study's protocol.

    Anchors are those of the released model with as many stages, scaled with the size, to 0.1 pixels.

    Args:
        choice: Of `choose`.
        path: Where it will be written; within the checkout it names its base relative to itself.

    Raises:
        UsageError: The file exists, or its name does not end in .py.
    """
    path = path.resolve()
    if path.suffix != ".py" or path.exists():
        raise UsageError(f"--out {path}: give the name of a new file that ends in .py")
    variant, base = choice.chosen, choice.base
    head = Base.read(base.head(variant.stages))
    leaf = REPO / "configs" / f"{head.name}_voc.py"
    inside = path.is_relative_to(REPO)
    shown = path.relative_to(REPO) if inside else path
    named = os.path.relpath(leaf, path.parent) if inside else str(leaf)
    anchors = load_config(str(leaf)).model.bbox_head.anchors
    lines = [
        f'"""{base.name} scaled to {variant}: {variant.params / 1e6:.1f} M parameters, '
        f"{variant.macs / 1e9:.1f} G MACs, field {variant.coverage:.2f} x size.",
        "",
        f"yolo-plugins train {shlex.quote(str(shown))}",
        '"""',
        "",
        f"_base_ = {json.dumps(named, ensure_ascii=False)}",
        f"img_size = {variant.size}",
        "model = dict(",
        *(
            f"    {part}=dict({', '.join(f'{name}={value!r}' for name, value in changes.items())}),"
            for part, changes in base.changes(variant.stages, variant.depth, variant.width).items()
        ),
        "    bbox_head=dict(",
        "        anchors=[",
        *(f"            [{', '.join(_scaled(level, variant.size / head.size))}]," for level in anchors),
        "        ],",
        "    ),",
        ")",
    ]
    return "\n".join([*lines, ""])


def _scaled(level: Iterable[tuple[float, float]], factor: float) -> list[str]:
    """Anchors of a level, (width, height) in pixels, as config text."""
    return [f"({round(width * factor, 1):g}, {round(height * factor, 1):g})" for width, height in level]
