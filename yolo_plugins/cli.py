"""What every tool shares: common options, the error boundary. Importing it loads no torch."""

import argparse
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from yolo_plugins.errors import UsageError
from yolo_plugins.faults import explain


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Prints a fault that the user can fix as `error: ...` and exits with 1; Ctrl-C exits with 130.

    `explain` tells which these are. Everything else is a defect of ours and passes through.
    """
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of the output, `head` for example, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still to be flushed
        sys.exit(1)
    except Exception as error:
        sentence = explain(error)
        if sentence is None:
            raise
        print(f"error: {sentence}", file=sys.stderr)
        sys.exit(1)


def fraction(text: str) -> float:
    """The type of an argument from 0 to 1."""
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 1")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Options that training and testing share."""
    parser.add_argument("config", help="path, or name of a file in configs/")
    parser.add_argument("--work-dir", help="folder for results (default: work_dirs/<config name>)")
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    add_config_options(parser)
    parser.add_argument("--local-rank", "--local_rank", type=int, default=0, help=argparse.SUPPRESS)


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """The option of every tool that reads one config: changes to it, in MMEngine's notation."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="changes to the config, for example data_root=/data/VOCdevkit train_dataloader.batch_size=16",
    )


def add_data_options(parser: argparse.ArgumentParser, folder: str, sets: str) -> None:
    """The options by which a tool learns of data: a config, or a VOCdevkit folder with its splits and classes.

    Args:
        parser: Of the tool.
        folder: Name of its argument for the folder, which is None by default.
        sets: The default splits, in words.
    """
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--config", help="path, or name of a file in configs/, in place of the folder and its options")
    nargs = None if folder.startswith("--") else "?"
    source.add_argument(folder, nargs=nargs, metavar="FOLDER", help="a VOCdevkit folder, which holds VOC2007")
    parser.add_argument("--sets", nargs="+", metavar="SUB/SPLIT", help=f"the folder's splits (default: {sets})")
    parser.add_argument("--classes", nargs="+", metavar="NAME", help="the folder's classes (default: VOC's 20)")
    add_config_options(parser)


def check_data_options(args: argparse.Namespace) -> None:
    """Refuses options that would have no effect.

    Raises:
        UsageError: There are options of a folder beside a config, or changes to a config beside a folder.
    """
    if args.config and (args.sets or args.classes):
        raise UsageError("--sets and --classes are for a folder: change those of --config by --cfg-options")
    if not args.config and args.cfg_options:
        raise UsageError("--cfg-options changes a config: give one by --config")
