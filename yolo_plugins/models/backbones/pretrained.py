"""Published weights for networks of other libraries: from a file, an address, or mmpretrain's zoo; and their accuracy.

`timm_top1.csv` is an excerpt of results/results-imagenet.csv of timm (Apache-2.0), commit 0173a139: common backbones,
by weights that were trained on ImageNet-1k alone.
"""

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from torch import Tensor

from yolo_plugins.checkpoints.loaders import load_from_data_only
from yolo_plugins.checkpoints.soundness import check_tensors
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import MODELS

_IMAGENET = "ImageNet-1k"
# In the names of weights: further data that they have seen.
_OTHER_DATA = re.compile("in[0-9]{2}k|jft|ig1b|swsl|ssl|wsl|yfcc|swag|laion|clip|openai|noisystudent|objects365")


class Published(NamedTuple):
    """What is known of published weights.

    Attributes:
        data: What they were trained on; None where that is not known.
        top1: Their accuracy on ImageNet-1k, a fraction; None likewise.
    """

    data: str | None
    top1: float | None


def describe_pretrained(cfg: dict, source: Literal[True] | str) -> Published:
    """What is known of the weights that `read_pretrained` reads, of the same arguments; a file is of unknown origin."""
    known = MODELS.get(cfg["type"])
    if hasattr(known, "read_pretrained"):  # knows its own sources, and may know the name of its choice
        name = known.weights_name(cfg) if source is True and hasattr(known, "weights_name") else ""
        return Published(_data_of(name), _timm_top1().get(name))
    if source is True or Path(source).exists() or "://" in source:
        return Published(None, None)
    results = _zoo_model(source).results or []
    found = (result.metrics.get("Top 1 Accuracy") for result in results if result.dataset == _IMAGENET)
    top1 = next(found, None)
    return Published(_data_of(source), None if top1 is None else round(top1 / 100, 5))


def _data_of(name: str) -> str | None:
    """ImageNet-1k where the name of weights tells that they have seen it alone."""
    return _IMAGENET if re.search(r"in1k\b", name) and not _OTHER_DATA.search(name) else None


def _timm_top1() -> dict[str, float]:
    """Top-1 accuracy by the name of timm's weights."""
    with Path(__file__).with_name("timm_top1.csv").open(encoding="utf-8", newline="") as file:
        return {row["model"]: round(float(row["top1"]) / 100, 5) for row in csv.DictReader(file)}


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
    content = load_from_data_only(source if Path(source).exists() or "://" in source else _zoo_model(source).weights)
    weights = content.get("state_dict", content)
    check_tensors(weights, source)
    return {re.sub(r"^(module\.)?(backbone\.)?", "", key): value for key, value in weights.items()}


def _zoo_model(name: str) -> Any:
    from mmpretrain.apis.model import ModelHub

    try:
        model = ModelHub.get(name)
    except ValueError:
        model = None
    if model is None or not model.weights:
        raise UsageError(
            f"pretrained={name!r} is neither a file nor an address nor a model with weights in mmpretrain's zoo "
            "(mmpretrain.list_models lists it)"
        )
    return model
