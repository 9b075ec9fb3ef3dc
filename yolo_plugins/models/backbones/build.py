"""Networks of other libraries, built with every map that they can give."""

import inspect
from typing import Any

from torch import nn

from yolo_plugins.errors import UsageError
from yolo_plugins.registry import MODELS

# Trial images: multiples of every stride up to 64, unequal sides, so that no axis is mistaken for the other. Windowed
# attention needs the second: 7 cells at stride 32.
_TRIAL_SIZES = ((128, 192), (256, 320))
_MOST_OUTPUTS = 20  # more than any network that lists `out_indices` counts (MobileNetV3: 17)
# What mmpretrain asks for in detection: maps instead of pooled vectors, windows larger than the smallest map.
_DENSE_FORM = dict(gap_before_final_norm=False, pad_small_map=True)
_OURS = ("frozen_stages", "norm_eval", "pretrained")  # arguments of PyramidBackbone, one place for each


def build_net(cfg: dict) -> nn.Module:
    """Builds a network so that it returns all its maps, or those that `out_indices` of the config name.

    Args:
        cfg: `type` with the scope of its library, and the arguments of that class.

    Raises:
        UsageError: It cannot be built, or an argument belongs to PyramidBackbone.
    """
    misplaced = [key for key in _OURS if key in cfg]
    if misplaced:
        raise UsageError(f"{describe(cfg)}: give {', '.join(misplaced)} to PyramidBackbone, beside net, not within it")
    if "checkpoint_path" in cfg:  # timm's
        raise UsageError(f"{describe(cfg)}: give the file to PyramidBackbone, beside net, as pretrained=")
    takes = arguments_of(cfg["type"])
    dense = {key: value for key, value in _DENSE_FORM.items() if key in takes} | cfg
    refusals: list[str] = []
    if "out_indices" in takes and "out_indices" not in cfg:
        net, refusals = _build_with_most_outputs(dense, takes["out_indices"])
        if net is not None:
            return net
    try:
        return _build(dense)
    except (UsageError, KeyError):  # KeyError: no such type; the tools suggest one
        raise
    except Exception as error:
        reasons = dict.fromkeys([_reason(error), *refusals])
        raise UsageError(f"{describe(cfg)} cannot be built: {'; '.join(reasons)}") from error


def _build_with_most_outputs(cfg: dict, default: Any) -> tuple[nn.Module | None, list[str]]:
    """The network with as many outputs as it accepts, None where it refuses even one; and why it refused others.

    A network that accepts some number accepts each smaller one. The default of `out_indices` ends with the last map in
    most classes, so that one more is refused at once.
    """
    net, reasons = None, []
    accepted, refused = 0, _MOST_OUTPUTS + 1
    last = max(default) if isinstance(default, (tuple, list)) and default else 0
    guesses = (_MOST_OUTPUTS, last + 2, last + 1)
    while refused - accepted > 1:
        outputs = next((guess for guess in guesses if accepted < guess < refused), (accepted + refused) // 2)
        try:
            net, accepted = _build(dict(cfg, out_indices=tuple(range(outputs)))), outputs
        except Exception as error:  # each library has its own way to refuse an index
            refused = outputs
            reasons.append(_reason(error))
    return net, reasons


def _build(cfg: dict) -> nn.Module:
    """Builds within the scope of the type's own library, where its inner types are known."""
    scope, *rest = cfg["type"].split(".")
    net = MODELS.build(dict(cfg, _scope_=scope) if len(rest) == 1 else dict(cfg))
    if hasattr(net, "norm_eval"):
        net.norm_eval = False  # PyramidBackbone says it; some classes of mmdet would by default
    return net


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines() or ["no reason given"]
    return f"{type(error).__name__}: {lines[0]}"


def describe(cfg: dict) -> str:
    """What messages call a network: `mmpretrain.RepVGG(arch='A0')`."""
    return f"{cfg['type']}({', '.join(f'{key}={value!r}' for key, value in cfg.items() if key != 'type')})"


def arguments_of(name: str) -> dict[str, Any]:
    """Arguments of a class, then those of the classes that it extends, with their defaults."""
    known = MODELS.get(name)
    classes = inspect.getmro(known)[:-1] if inspect.isclass(known) else ()
    arguments: dict[str, Any] = {}
    for one in classes:
        for key, parameter in inspect.signature(one).parameters.items():
            arguments.setdefault(key, parameter.default)
    return arguments


def trial_sizes(cfg: dict) -> tuple[tuple[int, int], ...]:
    """Sizes (height, width) in pixels on which to try a network: small ones, or the one that it is made for."""
    size = cfg.get("img_size")
    return _TRIAL_SIZES if size is None else ((size, size),) if isinstance(size, int) else (tuple(size),)
