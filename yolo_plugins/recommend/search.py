"""Backbones of other packages, under the neck and the head of a config."""

import copy
import fnmatch
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from yolo_plugins.config import find_config, load_config, read_config
from yolo_plugins.costs.catalogue import Entry, entries
from yolo_plugins.errors import UsageError
from yolo_plugins.files import write_atomically
from yolo_plugins.recommend.candidates import LeftOut, train_command
from yolo_plugins.recommend.networks import Network
from yolo_plugins.study.alike import UnlikeError
from yolo_plugins.study.model_choice import Counter, of_config
from yolo_plugins.study.models import Models


@dataclass(frozen=True)
class Search:
    """What is searched.

    Attributes:
        patterns: Of names as `find_entries` has them.
        base: Config whose backbone is exchanged.
        folder: For the configs that train what is proposed.
        sample: How many are drawn by chance; None for all.
        seed: Of the drawing, and of the order.
    """

    patterns: tuple[str, ...]
    base: str
    folder: Path
    sample: int | None = None
    seed: int = 0


def find_entries(search: Search) -> list[tuple[str, Entry]]:
    """Names and entries that match, `timm.NAME` or `mmpretrain.RepVGG(arch='A0')`, in an order of chance.

    Raises:
        UsageError: There are none.
    """
    wrapped = (entry for entry in entries() if entry.cfg["type"] == "timm" or "." in entry.cfg["type"])
    named = {_name(entry): entry for entry in wrapped}
    found = [item for item in named.items() if any(fnmatch.fnmatchcase(item[0], one) for one in search.patterns)]
    if not found:
        raise UsageError(f"--search {' '.join(search.patterns)}: no backbone is called so; try 'timm.mobilenet*'")
    random.Random(search.seed).shuffle(found)
    return found[: search.sample]


def proposed_networks(
    search: Search,
    models: Models,
    options: Sequence[str],
    count: Counter,
    deadline: float,
    is_wanted: Callable[[Network], str],
) -> tuple[list[Network], LeftOut]:
    """Networks with other backbones that are like the models of a study, until the time is up.

    Args:
        search: What is searched.
        models: Of the study.
        options: Changes to the base, as `KEY=VALUE`.
        count: As `cached_counter` makes it.
        deadline: On `time.perf_counter`.
        is_wanted: Why a network is not, empty where it is.

    Returns:
        Networks by rising multiply-accumulates; and the rest.

    Raises:
        UsageError: The base cannot be read, or nothing matches.
    """
    path = find_config(search.base)
    base = load_config(str(path), options)
    kept = [option for option in options if not re.match(r"model\.backbone\b", option)]  # those are in what is written
    found, left_out = [], LeftOut()
    for name, entry in tqdm(find_entries(search), unit="backbone", disable=None):
        if time.perf_counter() > deadline:
            left_out.add(name, "not reached in the time (the same command goes on)")
            continue
        config = copy.deepcopy(base)
        config.model["backbone"] = _backbone(base.model.backbone, entry)
        try:
            candidate = of_config(path, config, models, count, name)
        except UnlikeError as error:
            raise UsageError(f"--base {error}") from error
        except UsageError:
            left_out.add(name, "that cannot be used here (list-backbones --refused says why)")
            continue
        plain = re.sub(r"\W+", "_", name).strip("_")
        file = search.folder / f"{path.stem}_{plain}.py"
        network = Network(name, config.model.to_dict(), candidate, train_command(str(file), kept), file)
        if reason := is_wanted(network):
            left_out.add(name, reason)
            continue
        found.append(network)
    return sorted(found, key=lambda network: network.candidate.row["macs"]), left_out


def write_config(network: Network, base: str) -> None:
    """Writes the config that trains a network that was searched: the base, whole, so that it works on any machine."""
    assert network.file is not None
    config = read_config(find_config(base))
    config.model.backbone = network.model["backbone"]
    head = f'"""{network.name} under neck and head of {base}.\n\n{network.command}\n"""\n\n'
    write_atomically(network.file, f"{head}{config.pretty_text.rstrip()}\n".encode())


def _name(entry: Entry) -> str:
    return f"timm.{entry.cfg['model_name']}" if entry.cfg["type"] == "timm" else entry.name


def _backbone(present: Mapping[str, Any], entry: Entry) -> dict[str, Any]:
    """The base's PyramidBackbone with another network, or a new one."""
    kept = dict(present) if present["type"].endswith("PyramidBackbone") else {"type": "PyramidBackbone"}
    return kept | {"net": dict(entry.cfg)}
