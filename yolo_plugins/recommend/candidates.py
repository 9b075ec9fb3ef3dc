"""The configs that come with the package, as far as the law of a study can be asked about them."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from yolo_plugins.config import REPO, load_config, read_config
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import some
from yolo_plugins.recommend.networks import Network
from yolo_plugins.study.alike import UnlikeError
from yolo_plugins.study.model_choice import of_config
from yolo_plugins.study.models import Models


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
    models: Models, options: Sequence[str], folder: Path = REPO / "configs"
) -> tuple[list[Network], LeftOut]:
    """The networks of the configs of a folder that are like the models of a study.

    Args:
        models: Of the study.
        options: Changes to each config, as `KEY=VALUE`.
        folder: With the configs.

    Returns:
        Networks, by rising multiply-accumulates, each once; and the rest.

    Raises:
        UsageError: None is like the models.
    """
    found: dict[str, Network] = {}
    left_out = LeftOut()
    paths = [path for path in sorted(folder.glob("*.py")) if "model" in read_config(path)]
    for path in paths:
        try:
            network = _network(path, models, options)
        except UnlikeError as error:
            left_out.add(path.stem, error.what)
        except UsageError as error:
            reason = str(error).removeprefix(f"{path}: ")
            left_out.add(path.stem, f"that cannot be built or counted: {reason}")
        else:
            same = next((known for known in found.values() if _is_same(known, network)), network)
            if same is not network:
                left_out.add(path.stem, "of a network that another config has too")
            if same is network or (network.candidate.measured and not same.candidate.measured):
                found.pop(same.name, None)
                found[network.name] = network
    if not found:
        raise UsageError(
            f"none of {len(paths)} configs is like the models of {models.path}: {left_out}; give --cfg-options"
        )
    return sorted(found.values(), key=lambda network: network.candidate.row["macs"]), left_out


def train_command(config: str, options: Sequence[str], *more: str) -> str:
    """What trains a config on a command line."""
    changes = ["--cfg-options", *options] if options else []
    return shlex.join(["yolo-plugins", "train", config, *more, *changes])


def _is_same(one: Network, other: Network) -> bool:
    return one.name == other.name or one.sha256 == other.sha256


def _network(path: Path, models: Models, options: Sequence[str]) -> Network:
    config = load_config(str(path), options)
    candidate = of_config(path, config, models)
    command = train_command(path.stem, options)
    return Network(candidate.row["model"], config.model.to_dict(), candidate, command)
