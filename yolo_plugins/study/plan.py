"""A study: every model with every seed, as jobs, and the tables of its complete runs."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from yolo_plugins.config import REPO, describe_config, find_config, load_config, read_config
from yolo_plugins.errors import UsageError
from yolo_plugins.study.jobs import Run
from yolo_plugins.study.tables.collect import collect
from yolo_plugins.study.tables.schema import COMPLEXITY, EPOCHS, PROTOCOLS, RUNS, write_table

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
    if not isinstance(seeds_of, dict) or not all(isinstance(seeds, list) and seeds for seeds in seeds_of.values()):
        raise UsageError(f"{path}: runs={seeds_of!r}; write runs = dict(yolov5_n_voc=[0, 1]), the seeds of each model")
    changes = [*study.get("options", []), *options]
    runs = []
    for config_name, seeds in seeds_of.items():
        config = load_config(config_name, changes)
        description = describe_config(config)
        model, sha = description["config_name"], description["config_sha256"]
        for seed in seeds:
            work_dir = folder / f"{model}_seed{seed}"
            arguments = [config_name, "--seed", str(seed), "--work-dir", str(work_dir), "--resume"]
            arguments += ["--cfg-options", *changes] if changes else []
            runs.append(Run(model, seed, work_dir, config.train_cfg.max_epochs, sha, _command(arguments, processes)))
            _check_is_its_own(runs[-1])
    if len({run.folder for run in runs}) < len(runs):
        raise UsageError(f"{path}: two runs have one folder; name each config and each of its seeds once")
    return runs


def _command(arguments: Sequence[str], processes: int) -> tuple[str, ...]:
    """The training as a command; its path is relative, because the record states it and shall not name a machine."""
    tool = os.path.relpath(REPO / "tools/train.py")
    if processes <= 1:
        return (sys.executable, tool, *arguments)
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes))
    return (sys.executable, *torchrun, tool, "--launcher", "pytorch", *arguments)


def _check_is_its_own(run: Run) -> None:
    if run.record and run.record["config_sha256"] != run.config_sha256:
        raise UsageError(
            f"{run.folder} holds a run of another configuration ({run.record['command']}): choose another --out, or "
            "move it away"
        )


def write_tables(runs: Sequence[Run], folder: str | Path) -> list[str]:
    """Writes runs.csv, protocols.csv, epochs.csv and complexity.csv of the complete runs, if there are any.

    Returns:
        A sentence for each run that is left out.
    """
    if not any(run.is_complete for run in runs):
        return [f"{run}: not complete" for run in runs]
    tables = collect([run.folder / "record.json" for run in runs if run.record])
    frames = (tables.runs, tables.protocols, tables.epochs, tables.complexity)
    for frame, table in zip(frames, (RUNS, PROTOCOLS, EPOCHS, COMPLEXITY), strict=True):
        write_table(frame, Path(folder) / table.name, table)
    return [*tables.left_out, *(f"{run}: not begun" for run in runs if not run.record)]
