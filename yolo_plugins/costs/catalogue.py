"""Every backbone that a config can name: registered here, by plugins, or wrapped by PyramidBackbone; measured."""

import importlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from yolo_plugins.costs.complexity import count_macs
from yolo_plugins.costs.meta import on_meta
from yolo_plugins.models import backbones
from yolo_plugins.models.backbones.build import arguments_of, describe
from yolo_plugins.models.backbones.timm_net import timm_names
from yolo_plugins.registry import MODELS

_LIBRARIES = ("mmpretrain", "mmdet")
_VARIANTS = ("arch", "depth")  # arguments by which the classes of those libraries choose a variant


@dataclass(frozen=True)
class Entry:
    """One backbone.

    Attributes:
        name: What a config has to name: `mmpretrain.RepVGG(arch='A0')`.
        source: Package that it comes from.
        cfg: Config of the backbone, or of the `net` that PyramidBackbone wraps.
    """

    name: str
    source: str
    cfg: dict


@dataclass(frozen=True)
class Measured:
    """What running a backbone on one image says about it; `macs` are those of convolutions and matrix products."""

    params: int
    macs: int
    out_channels: list[int]
    out_strides: list[int]


def entries() -> Iterator[Entry]:
    """Candidates: our own, those of plugins, of mmpretrain, mmdet and timm, in this order; none is built yet."""
    MODELS.import_from_location()
    own = {getattr(backbones, name) for name in backbones.__all__} - {backbones.PyramidBackbone, backbones.TimmNet}
    for name, known in sorted(MODELS.module_dict.items()):
        source = known.__module__.partition(".")[0]
        if source != "yolo_plugins" or known in own:
            yield Entry(f"{name}()", source, dict(type=name))
    for library in _LIBRARIES:
        registered = importlib.import_module(f"{library}.registry").MODELS.module_dict
        for name, known in sorted(vars(importlib.import_module(f"{library}.models.backbones")).items()):
            if name in registered and inspect.isclass(known):
                for cfg in _variants(f"{library}.{name}", known):
                    yield Entry(describe(cfg), library, cfg)
    for name in timm_names():
        yield Entry(f"timm(model_name={name!r})", "timm", dict(type="timm", model_name=name))


def _variants(name: str, known: type) -> Iterator[dict]:
    """A config for each architecture that a class knows, or its defaults."""
    names = list(arguments_of(name))  # its own before those of its parents
    key = min((key for key in _VARIANTS if key in names), key=names.index, default=None)
    table = getattr(known, "arch_settings", None) or getattr(known, "arch_zoo", None)
    if key is None or not isinstance(table, dict):
        yield dict(type=name)
        return
    seen: list[object] = []  # several names may stand for one architecture
    for variant, settings in table.items():
        if not any(settings is other for other in seen):
            seen.append(settings)
            yield {"type": name, key: variant}


def measure(cfg: dict, input_hw: tuple[int, int]) -> Measured:
    """Builds a backbone, wrapped where it states no channels and strides, without memory for its weights if it allows.

    Args:
        cfg: Config of a backbone, or of a network to wrap.
        input_hw: Height and width of the image in pixels.

    Raises:
        UsageError: It can be neither used nor wrapped.
    """
    return on_meta(lambda: _measure(cfg, input_hw))


def _measure(cfg: dict, input_hw: tuple[int, int]) -> Measured:
    backbone: Any = None if "." in cfg["type"] else MODELS.build(dict(cfg))
    if not hasattr(backbone, "out_strides"):
        backbone = backbones.PyramidBackbone(cfg)
    return Measured(
        params=sum(parameter.numel() for parameter in backbone.parameters()),
        macs=count_macs(backbone, input_hw),
        out_channels=list(backbone.out_channels),
        out_strides=list(backbone.out_strides),
    )
