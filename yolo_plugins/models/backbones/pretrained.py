"""Published weights for networks of other libraries: from a file, an address, or mmpretrain's zoo."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from torch import Tensor

from yolo_plugins.checkpoints.loaders import load_from_data_only
from yolo_plugins.checkpoints.soundness import check_tensors
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
    content = load_from_data_only(source if Path(source).exists() or "://" in source else _zoo_address(source))
    weights = content.get("state_dict", content)
    check_tensors(weights, source)
    return {re.sub(r"^(module\.)?(backbone\.)?", "", key): value for key, value in weights.items()}


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
