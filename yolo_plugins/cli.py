"""What every tool shares: common options, the error boundary. Importing it loads no torch."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from yolo_plugins.faults import explain
from yolo_plugins.signals import exit_status, stops_interrupt


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
