"""What every tool shares: common options, the error boundary. Importing it loads no torch."""

import argparse
import math
import os
import re
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from yolo_plugins.config_check import LARGEST_SEED, LARGEST_SIDE
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import explain
from yolo_plugins.files import EXPORTED, or_shipped
from yolo_plugins.signals import exit_status, stops_interrupt

if TYPE_CHECKING:
    from mmengine.config import Config

# Environment variables that a launcher gives to each of its processes: first its rank, then that on its machine, then
# the number of processes.
_LAUNCHERS = {
    "none": (),
    "pytorch": ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"),
    "slurm": ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NTASKS", "SLURM_NODELIST"),
    "mpi": ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_SIZE", "MASTER_ADDR"),
}
_STARTED_BY = {"pytorch": "torchrun --nproc-per-node GPUS -m yolo_plugins train", "slurm": "srun", "mpi": "mpirun"}
_CHECKPOINTS = {".pth", ".pt", ".weights", *EXPORTED.values()}


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Prints a fault that the user can fix as `error: ...` and exits with 1; Ctrl-C exits with 130, SIGTERM with 143.

    `explain` tells which these are. Everything else is a defect of ours and passes through.
    """
    try:
        with stops_interrupt():
            yield
            sys.stdout.flush()
    except KeyboardInterrupt as interrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(exit_status(interrupt))
    except BrokenPipeError:  # the reader of the output, `head` for example, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still to be flushed
        sys.exit(1)
    except Exception as error:
        sentence = explain(error)
        if sentence is None:
            raise
        print(f"error: {sentence}", file=sys.stderr)
        sys.exit(1)


def whole(low: int, high: int | None = None) -> Callable[[str], int]:
    """The type of an argument that is a whole number from `low` to `high`; argparse tells the rest."""

    def whole_number(text: str) -> int:
        value = int(text) if re.fullmatch(r"[+-]?\d{1,20}", text) else None
        if value is None or value < low or (high is not None and value > high):
            limits = f"{low} or more" if high is None else f"from {low} to {high}"
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number, {limits}")
        return value

    return whole_number


seed = whole(0, LARGEST_SEED)
side = whole(1, LARGEST_SIDE)
threads = whole(1, os.cpu_count())


def fraction(text: str) -> float:
    """The type of an argument from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 1")
    return value


def any_path(text: str) -> Path:
    """The type of an argument that names a file or a folder: an empty one would be the folder where the tool runs."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is no path")
    return Path(text)


def results_path(text: str) -> Path:
    """The type of an argument that names tables of results: a path, or one that comes with the package.

    `docs/results/published.csv` is found from every folder, also where only the package is installed.
    """
    return or_shipped(any_path(text))


def device(text: str) -> str:
    """The type of an argument that is a torch device of this machine: `cpu`, `cuda` or `cuda:1`."""
    kind = re.fullmatch(r"cpu|cuda(?::(\d{1,9}))?", text)
    if kind is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no device; give cpu, cuda, cuda:1 ...")
    if text != "cpu":
        from torch.cuda import device_count

        count = device_count()
        if int(kind[1] or 0) >= count:
            has = "no GPU that torch can use" if count == 0 else f"{count} GPU(s), the first is cuda:0"
            raise argparse.ArgumentTypeError(f"{text!r}: this machine has {has}; give another device, such as cpu")
    return text


def launcher(text: str) -> str:
    """The type of an argument that names what started the processes; their environment has to tell so."""
    if text not in _LAUNCHERS:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(_LAUNCHERS)}")
    for name in _LAUNCHERS[text]:
        value = os.environ.get(name, "")
        if not _can_be(name, value):
            is_set = f"is {value!r}" if name in os.environ else "is not set"
            raise argparse.ArgumentTypeError(
                f"{text!r}, but the variable {name} {is_set}: start it by {_STARTED_BY[text]}"
            )
    if text != "none":
        rank, _, size, *_ = _LAUNCHERS[text]
        if int(os.environ[rank]) >= int(os.environ[size]):
            raise argparse.ArgumentTypeError(f"{text!r}, but {rank}={os.environ[rank]} of {size}={os.environ[size]}")
    return text


def _can_be(name: str, value: str) -> bool:
    """Whether a launcher's variable can have a value: the name of a host, a list of some, a port, or a number."""
    if name.endswith("LIST"):
        return value != ""
    if name.endswith("ADDR"):
        return _is_host(value)
    if not re.fullmatch(r"\d{1,9}", value):
        return False
    return 1 <= int(value) <= 65535 if name.endswith("PORT") else int(value) >= name.endswith(("SIZE", "NTASKS"))


def _is_host(name: str) -> bool:
    try:
        return bool(name and socket.getaddrinfo(name, None))
    except (OSError, UnicodeError):
        return False


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Options that training and testing share."""
    parser.add_argument("--work-dir", help="folder for results (default: work_dirs/<config name>)")
    parser.add_argument("--launcher", type=launcher, default="none", help=f"{', '.join(_LAUNCHERS)} (default: none)")
    add_data_options(parser)
    add_config_options(parser)
    parser.add_argument("--local-rank", "--local_rank", type=whole(0), default=0, help=argparse.SUPPRESS)


def read_models(names: Sequence[str], weights: str | None) -> list[tuple[str | None, str]]:
    """The models of a command line: checkpoints, each with the config that stands before it or before an earlier one.

    A checkpoint is what ends as such, or a file that is no Python; everything else is a config, by path or name.

    Args:
        names: As given.
        weights: `--weights`, the last of the models, whose classes may be others.

    Returns:
        (config, or None for the one in the checkpoint; file of weights) of the one or two models.

    Raises:
        UsageError: There are none, more, or a config without a checkpoint, or `weights` without a config.
    """
    models: list[tuple[str | None, str]] = []
    config, unused = None, None
    for name in names:
        if Path(name).suffix in _CHECKPOINTS or (Path(name).suffix != ".py" and Path(name).is_file()):
            models.append((config, name))
            unused = None
        else:
            config = unused = name
    if weights and (not config or len(models) > 1):
        raise UsageError(f"--weights {weights}: give a config with it, and at most one checkpoint to compare it with")
    if weights:
        return [*models, (config, weights)]
    if unused or not models:
        raise UsageError(f"{unused or 'no model'}: give a checkpoint after a config, or --weights FILE")
    if len(models) > 2:
        raise UsageError(f"{models[2][1]}: a third checkpoint; give one, or two that are compared")
    return models


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """The option of every tool that reads one config: changes to it."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="changes to the config, for example data_root=/data/VOCdevkit train_dataloader.batch_size=16",
    )


def say(line: str) -> None:
    """Tells on stderr, where no program reads, what a command makes of its input; of several processes the first."""
    ranks = [os.environ.get(names[0], "0") for names in _LAUNCHERS.values() if names]
    if line and set(ranks) == {"0"}:
        print(line, file=sys.stderr)


def add_weights_option(parser: argparse.ArgumentParser) -> None:
    """The option by which a model starts from a file whose classes may be others."""
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="start from a checkpoint, an official YOLOv5 or Scaled-YOLOv4 .pt, or a Darknet .weights with its .cfg "
        "beside it; classes are found by their names",
    )


def take_weights(config: "Config", weights: str | None, partial: bool = False) -> None:
    """Says in a config from which file its model starts, where one is given, and that only a part of it may fit."""
    if weights:
        config.load_from, config.by_name, config.partial = weights, True, partial


def add_fits_options(parser: argparse.ArgumentParser) -> None:
    """Adds --fits, the folder of an analysed study, and what makes other configs like its models."""
    parser.add_argument("--fits", type=results_path, required=True, metavar="DIR", help="--out of frontier")
    parser.add_argument(
        "--study", metavar="CONFIG", help="the study's config: what it changes in its models is changed here, too"
    )
    add_config_options(parser)


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """The options of every command that works on pictures: whose they are, and which of their classes count."""
    parser.add_argument(
        "--data",
        type=any_path,
        metavar="PATH",
        help="own pictures: a YOLO data.yaml, a COCO folder or annotation file, or a VOC folder",
    )
    parser.add_argument(
        "--classes", nargs="+", metavar="NAME", help="only these classes, in this order (default: all that are found)"
    )
