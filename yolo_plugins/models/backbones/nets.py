"""Networks of other libraries, built with every map they can give, and their published weights."""

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from yolo_plugins.checkpoints.read import load_checkpoint
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
    takes = arguments_of(cfg["type"])
    cfg = {key: value for key, value in _DENSE_FORM.items() if key in takes} | cfg
    if "out_indices" in cfg or "out_indices" not in takes:
        return _build(cfg)
    for outputs in range(_MOST_OUTPUTS, 0, -1):
        try:
            return _build(dict(cfg, out_indices=tuple(range(outputs))))
        except Exception:  # each library has its own way to refuse an index
            continue
    return _build(cfg)


def _build(cfg: dict) -> nn.Module:
    """Builds within the scope of the type's own library, where its inner types are known."""
    scope, *rest = cfg["type"].split(".")
    try:
        net = MODELS.build(dict(cfg, _scope_=scope) if len(rest) == 1 else dict(cfg))
    except (UsageError, KeyError):  # KeyError: no such type; the tools suggest one
        raise
    except Exception as error:
        reason = str(error).strip().splitlines() or ["no reason given"]
        raise UsageError(f"{describe(cfg)} cannot be built: {type(error).__name__}: {reason[0]}") from error
    if hasattr(net, "norm_eval"):
        net.norm_eval = False  # PyramidBackbone says it; some classes of mmdet would by default
    return net


def describe(cfg: dict) -> str:
    """What messages call a network: `mmpretrain.RepVGG(arch='A0')`."""
    return f"{cfg['type']}({', '.join(f'{key}={value!r}' for key, value in cfg.items() if key != 'type')})"


def arguments_of(name: str) -> set[str]:
    """Names of the arguments of a class and of those that it extends."""
    known = MODELS.get(name)
    classes = inspect.getmro(known)[:-1] if inspect.isclass(known) else []
    return {argument for one in classes for argument in inspect.signature(one).parameters}


def trial_sizes(cfg: dict) -> tuple[tuple[int, int], ...]:
    """Sizes (height, width) in pixels on which to try a network: small ones, or the one that it is made for."""
    size = cfg.get("img_size")
    return _TRIAL_SIZES if size is None else ((size, size),) if isinstance(size, int) else (tuple(size),)


def read_pretrained(cfg: dict, source: Literal[True] | str) -> Mapping[str, Tensor]:
    """Published weights for a network, under the keys of its own state dict; keys of other parts may be there too.

    Args:
        cfg: Config of the network.
        source: As `PyramidBackbone.pretrained`.

    Raises:
        UsageError: They cannot be fetched or read.
    """
    known = MODELS.get(cfg["type"])
    if hasattr(known, "read_pretrained"):
        return known.read_pretrained(cfg, source)
    if source is True:
        raise UsageError(
            f"pretrained=True: {cfg['type']} has no weights of its own choice; give a file, an address, or a name of "
            "mmpretrain's zoo (mmpretrain.list_models('*resnet*'))"
        )
    content = load_checkpoint(_fetch(source))
    weights = content.get("state_dict", content)
    return {re.sub(r"^(module\.)?(backbone\.)?", "", key): value for key, value in weights.items()}


def _fetch(source: str) -> Path:
    """The file itself, or torch's cached copy of what an address or a name of mmpretrain's zoo stands for."""
    if Path(source).exists():
        return Path(source)
    address = source if "://" in source else _zoo_address(source)
    cached = Path(torch.hub.get_dir(), "checkpoints", Path(urlparse(address).path).name)
    if not cached.exists():
        cached.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(address, str(cached))
        except OSError as error:
            raise unreachable(address, error) from error
    return cached


def unreachable(source: str, error: Exception) -> UsageError:
    """The sentence for weights that could not be fetched."""
    return UsageError(f"{source} cannot be fetched ({error}): check the network, or give pretrained= a local file")


def _zoo_address(name: str) -> str:
    from mmpretrain.apis.model import ModelHub

    try:
        address = ModelHub.get(name).weights
    except ValueError:
        address = None
    if not address:
        raise UsageError(
            f"pretrained={name!r} is neither a file nor an address nor a model with weights in mmpretrain's zoo "
            "(mmpretrain.list_models lists it)"
        )
    return address
