"""A study: every model with every seed, as jobs."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from yolo_plugins.config import describe_config, find_config, load_config, options_in, read_config
from yolo_plugins.config_check import LARGEST_SEED
from yolo_plugins.errors import UsageError
from yolo_plugins.study.jobs import Run

_KEYS = {"runs", "options"}  # of a study's config


def plan_runs(name: str, folder: Path, options: Sequence[str] = (), processes: int = 1) -> list[Run]:
    """All runs of a study, in the order of its config.

    Args:
        name: The study's config, as for `find_config`: `runs`, seeds by model config, and `options`, changes to each.
        folder: Of the runs' folders.
        options: Further changes, as `--cfg-options` of a training.
        processes: Of each training, one for each GPU.

    Raises:
        UsageError: A config or an option is wrong, or a folder holds a run of another configuration.
    """
    path = find_config(name)
    study = read_config(path)
    if unknown := study.keys() - _KEYS:
        raise UsageError(f"{path}: unknown key {min(unknown)!r}; a study has {' and '.join(sorted(_KEYS))}")
    seeds_of = study.get("runs")
    names_seeds = isinstance(seeds_of, dict) and bool(seeds_of) and all(isinstance(key, str) for key in seeds_of)
    if not names_seeds or not all(map(_are_seeds, seeds_of.values())):
        raise UsageError(
            f"{path}: runs={seeds_of!r}; write runs = dict(yolov5_n_voc=[0, 1]), the seeds of each model, from 0 to "
            f"{LARGEST_SEED}"
        )
    changes = [*options_in(study, path), *options]
    runs = []
    for config_name, seeds in seeds_of.items():
        config = load_config(config_name, changes)
        start = config.get("load_from")
        if start and "://" not in start and not Path(start).expanduser().is_file():
            raise UsageError(f"{path}: load_from={start!r} of {config_name}: no such file; check the path")
        description = describe_config(config)
        model, sha = description["config_name"], description["config_sha256"]
        for seed in seeds:
            work_dir = folder / f"{model}_seed{seed}"
            arguments = [config_name, "--seed", str(seed), "--work-dir", str(work_dir), "--resume"]
            arguments += ["--cfg-options", *changes] if changes else []
            runs.append(Run(model, seed, work_dir, config.train_cfg.max_epochs, sha, _command(arguments, processes)))
            check_is_its_own(runs[-1])
    if len({run.folder for run in runs}) < len(runs):
        raise UsageError(f"{path}: two runs have one folder; name each config and each of its seeds once")
    return runs


def _are_seeds(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(type(seed) is int and 0 <= seed <= LARGEST_SEED for seed in value)
    )


def _command(arguments: Sequence[str], processes: int) -> tuple[str, ...]:
    """The training as a command."""
    if processes <= 1:
        return (sys.executable, "-m", "yolo_plugins", "train", *arguments)
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes))
    return (sys.executable, *torchrun, "-m", "yolo_plugins", "train", "--launcher", "pytorch", *arguments)


def check_is_its_own(run: Run) -> None:
    """Compares the configuration of a run's record, where there is one, with that of the study.

    Raises:
        UsageError: It is another one.
    """
    if run.record and run.record["config_sha256"] != run.config_sha256:
        raise UsageError(
            f"{run.folder} holds a run of another configuration ({run.record['command']}): choose another --out, or "
            "move it away"
        )
