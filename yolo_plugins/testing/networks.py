"""What backbones, necks and heads have in common: networks that are trained, averaged, resumed and deployed.

A neck or a head is tried on a stand-in for what is below it, so that the whole takes images, as a backbone does.
"""

import copy
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from yolo_plugins.models import to_deploy
from yolo_plugins.models.deploy.compare import difference, tensors
from yolo_plugins.testing.contract import TOLERANCE, gradient_faults, parameter_gradients, run
from yolo_plugins.testing.norms import settle_norms

SIZES = ((1, 4, 4), (2, 3, 5), (1, 2, 2))  # (batch, height, width), the sides in units of the largest stride
USUAL_STRIDE = 32  # of the last map
_HALF_PRECISION = 0.5  # of a map's largest magnitude; bfloat16 has three digits, and InceptionV4's layers lose 0.3


@dataclass(frozen=True)
class MapsSummary:
    """Size of a sound backbone or neck: number of parameters; channels and strides of its maps, fine to coarse."""

    params: int
    out_channels: tuple[int, ...]
    out_strides: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.params:,} params, channels {self.out_channels}, strides {self.out_strides}"


class MapsOfImages(nn.Module):
    """Stands in for what is below a neck or a head: a fixed linear map of every pixel on the grid of each stride.

    Args:
        channels: Of each map, fine to coarse.
        strides: Input pixels per cell of each map.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__()
        self.strides = list(strides)
        for level, wide in enumerate(channels):
            self.register_buffer(str(level), torch.randn(wide, 3, 1, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) -> maps (N, C_i, H / stride, W / stride)."""
        grids = [images[:, :, ::stride, ::stride] for stride in self.strides]
        return tuple(functional.conv2d(grid, mix) for grid, mix in zip(grids, self.buffers(), strict=True))


@dataclass(frozen=True)
class Subject:
    """A part under test.

    Attributes:
        part: What the author wrote.
        rebuild: Makes another one of the same config.
        below: What turns images into that which the part takes.
    """

    part: Any
    rebuild: Callable[[], Any]
    below: nn.Module

    def outputs(self, images: Tensor) -> Any:
        """What the part makes of (N, 3, H, W) images; no gradient."""
        with torch.no_grad():
            return self.network()(images)

    def network(self, part: nn.Module | None = None) -> nn.Sequential:
        """This part, or another one, on what is below it."""
        return nn.Sequential(self.below, part or self.part)


def images_of(size: tuple[int, int, int], stride: int) -> Tensor:
    """(N, 3, H, W) random in 0..1."""
    batch, rows, columns = size
    return torch.rand(batch, 3, rows * stride, columns * stride)


def check_statements(part: Any, *names: str) -> Iterator[str]:
    """`out_channels`, and for a backbone `out_strides`, hold one whole number a map; strides increase."""
    for name in names:
        values = getattr(part, name, None)
        if not isinstance(values, (list, tuple)) or not values or not all(isinstance(value, int) for value in values):
            yield f"{name} is {values!r}; state one whole number for each map that forward returns, fine to coarse"
            return
    values = [list(getattr(part, name)) for name in names]
    if len({len(value) for value in values}) > 1:
        stated = " and ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))
        yield f"{stated} differ in length; state both for each map"
    elif "out_strides" in names and any(fine >= coarse for fine, coarse in pairwise([0, *values[-1]])):
        yield f"out_strides {values[-1]} do not increase; return one map a stride, fine to coarse"


def check_forward(subject: Subject, stride: int, shape: str) -> Iterator[str]:
    """It runs, returns tensors with as many axes as `shape` has, and leaves its input as it is."""
    inputs = subject.below(images_of(SIZES[0], stride))
    before = copy.deepcopy(inputs)
    with torch.no_grad():
        outputs = subject.part(inputs)
    if not all(map(torch.equal, tensors(inputs), tensors(before))):
        yield "forward changes its input; take operations that are not in place, or copy it first"
    axes = shape.count(",") + 1
    levels = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    if levels is not outputs or not all(isinstance(level, Tensor) and level.ndim == axes for level in levels):
        kinds = ", ".join(f"{type(level).__name__}{tuple(getattr(level, 'shape', ()))}" for level in levels)
        yield f"forward returns {kinds}; return a tuple of maps {shape}, fine to coarse"


def check_maps(subject: Subject, strides: Sequence[int], stated: str, remedy: str) -> Iterator[str]:
    """At every size each map has the channels that the part states, and exactly these strides.

    The first size with a fault tells enough.

    Args:
        subject: Backbone or neck.
        strides: Of the maps.
        stated: Who states them: `out_strides states`.
        remedy: For a map of another stride.
    """
    channels = list(subject.part.out_channels)
    for size in SIZES:
        images = images_of(size, strides[-1])
        maps = subject.outputs(images)
        if len(maps) != len(channels):
            stated_maps = f"out_channels {channels} states {len(channels)}"
            yield f"forward returns {len(maps)} maps, {stated_maps}; state each of them"
            return
        faults = [
            _fault_of_map(images.shape, *map_and_statement, stated, remedy)
            for map_and_statement in zip(maps, channels, strides, strict=True)
        ]
        h, w = images.shape[2:]
        yield from [f"map {level} of a {h}x{w} input: {fault}" for level, fault in enumerate(faults) if fault]
        if any(faults):
            return


def _fault_of_map(images: Sequence[int], level: Tensor, channels: int, stride: int, stated: str, remedy: str) -> str:
    """What is wrong with a map of images of this shape; empty where nothing is."""
    (n, _, h, w), (map_n, map_channels, map_h, map_w) = images, level.shape
    if map_n != n:
        return f"its batch is {map_n} for {n} images; return (N, C, H / stride, W / stride)"
    faults = []
    if map_channels != channels:
        faults.append(f"out_channels states {channels}, it has {map_channels}; state these")
    measured = h // max(map_h, 1)
    if (map_h * measured, map_w * measured) != (h, w):
        faults.append(f"it is {map_h}x{map_w}, which no stride gives; pad so that every halving is exact")
    elif measured != stride:
        faults.append(f"{stated} {stride}, its stride is {measured}; {remedy}")
    return ", and ".join(faults)


def check_gradients(subject: Subject, images: Tensor) -> Iterator[str]:
    """A training step on all outputs reaches every parameter that is not frozen."""
    subject.part.train()
    outputs = list(tensors(subject.network()(images)))
    if any(output.requires_grad for output in outputs):  # else all is frozen
        torch.stack([(output * torch.randn_like(output)).mean() for output in outputs]).sum().backward()
        remedy = "prune them, or return the level that needs them"
        yield from gradient_faults(parameter_gradients(subject.part), remedy)


def check_repeat(subject: Subject, images: Tensor) -> Iterator[str]:
    """In evaluation mode, with settled norms, nothing is random."""
    subject.part.eval()  # never chained: mmpretrain's networks return nothing
    settle_norms(subject.network(), images)
    if not all(map(torch.equal, *(tensors(subject.outputs(images)) for _ in range(2)))):
        yield "two calls in evaluation mode differ; let what is random rest while self.training is false"


def form_faults(subject: Subject, kind: str, images: Tensor) -> list[str]:
    """Faults of all forms of the part, or of its input, that have to give the same outputs."""
    return [
        fault
        for what in _FORMS
        for fault in run(what.format(kind=kind), subject.part, _check_form, subject, kind, images, what)
    ]


def _check_form(subject: Subject, kind: str, images: Tensor, what: str) -> Iterator[str]:
    form, allowed, remedy = _FORMS[what]
    share = difference(form(subject, images), subject.outputs(images))
    if not share <= allowed:  # also where it is not a number
        yield (
            f"{what.format(kind=kind)} gives other maps (off by {share:.1g} of the largest value, {allowed:g} is "
            f"allowed); {remedy}"
        )


def reload(part: nn.Module, rebuild: Callable[[], Any]) -> Any:
    """Another part with this one's state dict, by way of a file, in evaluation mode."""
    torch.save(part.state_dict(), file := io.BytesIO())
    file.seek(0)
    other = rebuild()
    other.load_state_dict(torch.load(file, weights_only=True))
    other.eval()
    return other


@torch.no_grad()
def _reloaded(subject: Subject, images: Tensor) -> Any:
    return subject.network(reload(subject.part, subject.rebuild))(images)


def _one_by_one(subject: Subject, images: Tensor) -> list[Tensor]:
    singles = [subject.outputs(image[None]) for image in images]
    return [torch.cat(levels) for levels in zip(*singles, strict=True)]


def _copied(subject: Subject, images: Tensor) -> Any:
    subject.part(subject.below(images))  # with its graph: tensors that it keeps cannot be copied
    with torch.no_grad():
        return subject.network(copy.deepcopy(subject.part))(images)


def _deployed(subject: Subject, images: Tensor) -> Any:
    h, w = images.shape[2:]
    with torch.no_grad():
        return to_deploy(subject.network(), (h, w))(images)


def _channels_last(subject: Subject, images: Tensor) -> Any:
    return subject.outputs(images.contiguous(memory_format=torch.channels_last))


def _autocast(subject: Subject, images: Tensor) -> Any:
    with torch.autocast("cpu", torch.bfloat16):
        return subject.outputs(images)


# What has to give the same outputs -> how it is made, how far it may be off, what to do where it is further.
_FORMS: dict[str, tuple[Callable[[Subject, Tensor], Any], float, str]] = {
    "a second {kind} with its state dict": (
        _reloaded,
        TOLERANCE,
        "make all that forward uses a parameter or a buffer",
    ),
    "each image by itself": (_one_by_one, TOLERANCE, "let no image depend on its neighbours in the batch"),
    "a channels-last input": (_channels_last, TOLERANCE, "do not count on the order in memory (view, as_strided)"),
    "copy.deepcopy, which the moving average needs,": (_copied, TOLERANCE, "let __deepcopy__ keep everything"),
    "to_deploy": (_deployed, TOLERANCE, "deploy_report of what it returns tells what was fused and switched"),
    "bfloat16 autocast": (_autocast, _HALF_PRECISION, "compute in float32 what has no room for three digits"),
}
