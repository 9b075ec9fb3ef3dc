"""Published weights for networks of other libraries: from a file, an address, or mmpretrain's zoo."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlparse

import torch
from torch import Tensor

from yolo_plugins.checkpoints.read import load_checkpoint
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import MODELS


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
