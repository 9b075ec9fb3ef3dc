"""The contract of a backbone, checked on the built object: for the tests of those who write one.

Maps have to be exactly as stated (==, never <=), and what training, averaging, resuming and deploying do with a
backbone has to work. Inputs are small; a network of ResNet18's size takes about a second.
"""

import copy
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from yolo_plugins.errors import UsageError
from yolo_plugins.faults import describe, explain
from yolo_plugins.models import to_deploy
from yolo_plugins.models.deploy.compare import difference
from yolo_plugins.registry import MODELS
from yolo_plugins.testing.norms import settle_norms

_SIZES = ((1, 4, 4), (2, 3, 5), (1, 2, 2))  # (batch, height, width), the sides in units of the largest stride
_USUAL_STRIDE = 32  # of the last map
_TOLERANCE = 1e-4  # of a map's largest magnitude; sums of float32 in another order stay well below
_SHOWN = 3  # names that a sentence lists


@dataclass(frozen=True)
class BackboneSummary:
    """Size of a sound backbone: number of parameters; channels and strides of its maps, fine to coarse."""

    params: int
    out_channels: tuple[int, ...]
    out_strides: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.params:,} params, channels {self.out_channels}, strides {self.out_strides}"


def check_backbone(cfg: dict) -> BackboneSummary:
    """Checks all that a detector expects of its backbone.

    Args:
        cfg: What stands in `model.backbone` of a config.

    Raises:
        UsageError: One sentence for each fault: what is stated, what was found, what to do.
    """
    with DefaultScope.overwrite_default_scope("yolo_plugins"), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)  # the CPU's alone: that is what fork_rng puts back
        backbone = _build(cfg)
        faults = _find_faults(cfg, backbone)
    if faults:
        raise UsageError("\n- ".join([f"{type(backbone).__name__} breaks the contract of a backbone:", *faults]))
    params = sum(parameter.numel() for parameter in backbone.parameters())
    return BackboneSummary(params, tuple(backbone.out_channels), tuple(backbone.out_strides))


def _build(cfg: dict) -> Any:
    try:
        return MODELS.build(copy.deepcopy(cfg))
    except Exception as error:
        kind = cfg.get("type")
        fault = explain(error) or describe(error, _package(MODELS.get(kind) if isinstance(kind, str) else kind))
        raise UsageError(f"{kind} cannot be built: {fault}") from error


def _package(author: object) -> str:
    return getattr(author, "__module__", "").partition(".")[0]


def _find_faults(cfg: dict, backbone: Any) -> list[str]:
    """Sentences of all checks; they end where the others would only repeat what was found."""
    faults = list(_check_statements(backbone))
    stated = not faults
    stride = backbone.out_strides[-1] if stated else _USUAL_STRIDE
    backbone.eval()  # never chained: mmpretrain's networks return nothing
    fatal = _run("forward", backbone, _check_forward, stride)
    if fatal:
        return faults + fatal
    if stated:
        faults += _run("forward of another size", backbone, _check_maps, stride)
    images = _images((2, 4, 4), max(stride, _USUAL_STRIDE))
    faults += _run("a training step", backbone, _check_gradients, images)
    fatal = _run("forward", backbone, _check_repeat, images)
    if fatal:
        return faults + fatal
    return faults + [fault for what in _FORMS for fault in _run(what, backbone, _check_form, cfg, images, what)]


def _run(what: str, backbone: nn.Module, check: Callable[..., Iterator[str]], *arguments: Any) -> list[str]:
    """The sentences of a check; what the author's code raises is one of them."""
    try:
        return list(check(backbone, *arguments))
    except Exception as error:
        return [f"{what} ends in {explain(error) or describe(error, _package(type(backbone)))}"]


def _images(size: tuple[int, int, int], stride: int) -> Tensor:
    """(N, 3, H, W) random in 0..1."""
    batch, rows, columns = size
    return torch.rand(batch, 3, rows * stride, columns * stride)


@torch.no_grad()
def _maps(backbone: nn.Module, images: Tensor) -> Sequence[Tensor]:
    return backbone(images)


def _check_statements(backbone: Any) -> Iterator[str]:
    for name in ("out_channels", "out_strides"):
        values = getattr(backbone, name, None)
        if not isinstance(values, (list, tuple)) or not values or not all(isinstance(value, int) for value in values):
            yield f"{name} is {values!r}; state one whole number for each map that forward returns, fine to coarse"
            return
    channels, strides = list(backbone.out_channels), list(backbone.out_strides)
    if len(channels) != len(strides):
        yield f"out_channels {channels} and out_strides {strides} differ in length; state both for each map"
    elif any(fine >= coarse for fine, coarse in pairwise([0, *strides])):
        yield f"out_strides {strides} do not increase; return one map a stride, fine to coarse"


def _check_forward(backbone: nn.Module, stride: int) -> Iterator[str]:
    """It runs, returns maps, and leaves its input as it is."""
    images = _images(_SIZES[0], stride)
    before = images.clone()
    maps = _maps(backbone, images)
    if not torch.equal(images, before):
        yield "forward changes its input; take operations that are not in place, or copy it first"
    levels = maps if isinstance(maps, (list, tuple)) else [maps]
    if levels is not maps or not all(isinstance(level, Tensor) and level.ndim == 4 for level in levels):
        kinds = ", ".join(f"{type(level).__name__}{tuple(getattr(level, 'shape', ()))}" for level in levels)
        yield f"forward returns {kinds}; return a tuple of maps (N, C, H / stride, W / stride), fine to coarse"


def _check_maps(backbone: Any, stride: int) -> Iterator[str]:
    """At every size each map is exactly as stated; the first size with a fault tells enough."""
    channels, strides = list(backbone.out_channels), list(backbone.out_strides)
    for size in _SIZES:
        images = _images(size, stride)
        maps = _maps(backbone, images)
        if len(maps) != len(strides):
            yield f"forward returns {len(maps)} maps, out_strides {strides} states {len(strides)}; state each of them"
            return
        faults = [_fault_of_map(images.shape, *stated) for stated in zip(maps, channels, strides, strict=True)]
        h, w = images.shape[2:]
        yield from [f"map {level} of a {h}x{w} input: {fault}" for level, fault in enumerate(faults) if fault]
        if any(faults):
            return


def _fault_of_map(images: Sequence[int], level: Tensor, channels: int, stride: int) -> str:
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
        faults.append(f"out_strides states {stride}, its stride is {measured}; state that, or return another map")
    return ", and ".join(faults)


def _check_gradients(backbone: nn.Module, images: Tensor) -> Iterator[str]:
    """A training step reaches every parameter that is not frozen."""
    backbone.train()
    maps = backbone(images)
    if not any(level.requires_grad for level in maps):
        return  # all is frozen
    sum((level * torch.randn_like(level)).mean() for level in maps).backward()
    gradients = {name: value.grad for name, value in backbone.named_parameters() if value.requires_grad}
    unreached = [name for name, value in gradients.items() if value is None]
    broken = [name for name, value in gradients.items() if value is not None and not value.isfinite().all()]
    if unreached:
        yield f"no gradient reaches {_first(unreached)}; prune them, or return the level that needs them"
    if broken:
        yield f"the gradient of {_first(broken)} is not finite; look for a division by zero, or its root or logarithm"


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _check_repeat(backbone: nn.Module, images: Tensor) -> Iterator[str]:
    """In evaluation mode, with settled norms, nothing is random."""
    backbone.eval()
    settle_norms(backbone, images)
    if not all(map(torch.equal, _maps(backbone, images), _maps(backbone, images))):
        yield "two calls in evaluation mode differ; let what is random rest while self.training is false"


def _check_form(backbone: nn.Module, cfg: dict, images: Tensor, what: str) -> Iterator[str]:
    """A form of the backbone, or of its input, gives the same maps."""
    form, remedy = _FORMS[what]
    share = difference(form(backbone, cfg, images), _maps(backbone, images))
    if not share <= _TOLERANCE:  # also where it is not a number
        yield f"{what} gives other maps (off by {share:.1g} of the largest value, {_TOLERANCE:g} is allowed); {remedy}"


def _reloaded(backbone: nn.Module, cfg: dict, images: Tensor) -> Sequence[Tensor]:
    torch.save(backbone.state_dict(), file := io.BytesIO())
    file.seek(0)
    other = _build(cfg)
    other.load_state_dict(torch.load(file, weights_only=True))
    other.eval()
    return _maps(other, images)


def _one_by_one(backbone: nn.Module, cfg: dict, images: Tensor) -> Sequence[Tensor]:
    singles = [_maps(backbone, image[None]) for image in images]
    return [torch.cat(levels) for levels in zip(*singles, strict=True)]


def _copied(backbone: nn.Module, cfg: dict, images: Tensor) -> Sequence[Tensor]:
    backbone(images)  # with its graph: tensors that it keeps cannot be copied
    return _maps(copy.deepcopy(backbone), images)


# What has to give the same maps -> how it is made, what to do where it does not.
_FORMS: dict[str, tuple[Callable[[nn.Module, dict, Tensor], Sequence[Tensor]], str]] = {
    "a second backbone with its state dict": (_reloaded, "make all that forward uses a parameter or a buffer"),
    "each image by itself": (_one_by_one, "let no image depend on its neighbours in the batch"),
    "a channels-last input": (
        lambda net, _, images: _maps(net, images.contiguous(memory_format=torch.channels_last)),
        "do not count on the order in memory (view, as_strided)",
    ),
    "copy.deepcopy, which the moving average needs,": (_copied, "let __deepcopy__ keep everything"),
    "to_deploy": (
        lambda net, _, images: _maps(to_deploy(net), images),
        "deploy_report of what it returns tells what was fused and switched",
    ),
}
