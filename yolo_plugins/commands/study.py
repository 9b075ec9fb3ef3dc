"""Runs a study, every model with every seed, and writes its tables. Stopped at any moment, the same command goes on.

yolo-plugins study study_voc --jobs 2
yolo-plugins study study_voc --jobs 2 --stop-early --y ap50_95
yolo-plugins study study_voc --jobs 8 --gpus 1 --slurm PARTITION --slurm-options time=1440 cpus_per_task=8
"""

import argparse
from pathlib import Path
from typing import Any

from yolo_plugins.cli import add_config_options, any_path, fraction, one_line_errors, whole
from yolo_plugins.config import find_config
from yolo_plugins.study.tables.quantities import DEFAULT_PERFORMANCE, performances


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("config", help="path, or name of a file in configs/: runs = dict(MODEL=[SEED, ...])")
    add("--out", type=any_path, help="folder of runs and tables (default: work_dirs/<config name>)")
    pace = parser.add_mutually_exclusive_group().add_argument
    pace("--jobs", type=whole(1, 1000), default=1, metavar="N", help="runs at a time (default: %(default)s)")
    pace("--detach", action="store_true", help="submit all runs to Slurm at once, and wait for none")
    add("--gpus", type=whole(0, 1000), metavar="N", help="GPUs of each run (default: 1 where there is one)")
    add("--slurm", metavar="PARTITION", help="run on this partition instead of this machine")
    options: dict[str, Any] = {"nargs": "+", "action": "extend", "default": [], "metavar": "KEY=VALUE"}
    add("--slurm-options", **options, help="for example time=1440 (minutes) cpus_per_task=8 mem=32GB")
    add_config_options(parser)
    add(
        "--stop-early",
        type=fraction,
        nargs="?",
        const=0.3,
        metavar="SHARE",
        help="stop runs with less than 5 %% chance of the Pareto front, judged after this share of the epochs (0.3)",
    )
    add("--y", default=DEFAULT_PERFORMANCE, choices=performances(), help="of that front (default: %(default)s)")
    add("--status", action="store_true", help="tell where all runs are, and change nothing")
    args = parser.parse_args()
    if args.detach and not args.slurm:
        parser.error("--detach needs --slurm")
    if args.detach and args.stop_early is not None:
        parser.error("--stop-early needs a command that waits for the runs: leave out --detach")
    if args.slurm == "":
        parser.error("--slurm needs the name of a partition")
    return args


def main() -> None:
    args = parse_args()
    with one_line_errors():
        folder = args.out or Path("work_dirs") / find_config(args.config).stem
        from yolo_plugins.study import executors, jobs, plan, status

        gpus = _gpus_here() if args.gpus is None and not args.status else args.gpus or 0
        runs = plan.plan_runs(args.config, folder, args.cfg_options, gpus)
        if args.status:
            lines = status.tell_status(runs)
        elif args.detach:
            lines = jobs.submit_all(runs, executors.slurm_executors(gpus, args.slurm, args.slurm_options))
        else:
            from yolo_plugins.study.run import run_study, stop_early

            there = executors.slurm_executors(gpus, args.slurm, args.slurm_options) if args.slurm else None
            there = there or executors.local_executors(args.jobs, gpus)
            judge = None if args.stop_early is None else stop_early(runs, args.y, args.stop_early)
            lines = run_study(runs, folder, there, args.jobs, judge)
        for line in lines:
            print(line, flush=True)


def _gpus_here() -> int:
    """1 where there is a GPU; those who only ask for the status do not wait for torch."""
    import torch

    return int(torch.cuda.is_available())
