"""The configs that come with the package, as far as the law of a study can be asked about them."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from yolo_plugins.config import load_config, read_config
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import some
from yolo_plugins.files import REPO
from yolo_plugins.protocol import config_recipe, protocol_of, sha256_of
from yolo_plugins.recommend.networks import Network
from yolo_plugins.study.alike import UnlikeError
from yolo_plugins.study.model_choice import Counter, of_config
from yolo_plugins.study.models import Models

if TYPE_CHECKING:
    from mmengine.config import Config


class LeftOut:
    """Networks that are not among those to choose from, by reason."""

    def __init__(self) -> None:
        self.names: dict[str, list[str]] = {}

    def add(self, name: str, reason: str) -> None:
        """Notes one."""
        self.names.setdefault(reason, []).append(name)

    @property
    def count(self) -> int:
        """How many."""
        return sum(map(len, self.names.values()))

    def __str__(self) -> str:
        """A line: `9 of other data (yolov4_csp_coco, ...), 2 that cannot be counted (...)`."""
        return ", ".join(f"{len(names)} {reason} ({some(names)})" for reason, names in self.names.items())


def config_networks(
    models: Models, options: Sequence[str], count: Counter, folder: Path = REPO / "configs"
) -> tuple[list[Network], LeftOut]:
    """The networks of the configs of a folder that are like the models of a study.

    Args:
        models: Of the study.
        options: Changes to each config, as `KEY=VALUE`.
        count: As `cached_counter` makes it.
        folder: With the configs.

    Returns:
        Networks, by rising multiply-accumulates, each once; and the rest.

    Raises:
        UsageError: None is like the models.
    """
    alike: list[tuple[str, Network, str]] = []
    left_out = LeftOut()
    paths = [path for path in sorted(folder.glob("*.py")) if "model" in read_config(path)]
    for path in paths:
        try:
            config = load_config(str(path), options)
            alike.append((path.stem, _network(path, config, models, options, count), _protocol(config)))
        except UnlikeError as error:
            left_out.add(path.stem, error.what)
        except UsageError as error:
            reason = str(error).removeprefix(f"{path}: ")
            left_out.add(path.stem, f"that cannot be built or counted: {reason}")
    protocols = _protocols(alike, models)
    found: dict[str, Network] = {}
    for stem, network, protocol in alike:
        if protocols and protocol not in protocols:
            left_out.add(stem, "trained otherwise than the configs of the models")
            continue
        same = next((known for known in found.values() if _is_same(known, network)), network)
        if same is not network:
            left_out.add(stem, "of a network that another config has too")
        if same is network or (network.candidate.measured and not same.candidate.measured):
            found.pop(same.name, None)
            found[network.name] = network
    if not found:
        like = f"none of {len(paths)} configs is like the models of {models.path}"
        raise UsageError(f"{like}: {left_out}; give --study or --cfg-options")
    return sorted(found.values(), key=lambda network: network.candidate.row["macs"]), left_out


def caveats(networks: Sequence[Network]) -> list[str]:
    """What is to be known of networks that are taken as like the models, a sentence for each kind."""
    told = LeftOut()
    for network in networks:
        for line in network.candidate.told.splitlines()[1:]:
            told.add(network.name, re.sub(r"^note: ([^:]*\.py: )?", "", line))
    return [f"{reason} ({some(names)})" for reason, names in told.names.items()]


def train_command(config: str, options: Sequence[str], *more: str) -> str:
    """What trains a config on a command line."""
    changes = ["--cfg-options", *options] if options else []
    return shlex.join(["yolo-plugins", "train", config, *more, *changes])


def _is_same(one: Network, other: Network) -> bool:
    return one.name == other.name or one.sha256 == other.sha256


def _protocols(alike: Sequence[tuple[str, Network, str]], models: Models) -> set[str]:
    """Those of the configs of the models, where the study records none: what else is known of how they were trained."""
    if models.allow_mixed or models.table["protocol_sha256"].notna().any():
        return set()
    return {protocol for _, network, protocol in alike if network.candidate.measured}


def _protocol(config: "Config") -> str:
    return sha256_of([config.train_cfg.max_epochs, protocol_of(config_recipe(config))])


def _network(path: Path, config: "Config", models: Models, options: Sequence[str], count: Counter) -> Network:
    candidate = of_config(path, config, models, count)
    command = train_command(path.stem, options)
    return Network(candidate.row["model"], config.model.to_dict(), candidate, command)
