"""Runs a study, every model with every seed, and writes its tables. Stopped at any moment, the same command goes on.

python tools/study.py configs/study_voc.py --jobs 2
python tools/study.py configs/study_voc.py --jobs 8 --gpus 1 --slurm PARTITION --slurm-options time=1440 cpus_per_task=8
"""

import argparse
from pathlib import Path
from typing import Any

from yolo_plugins.cli import one_line_errors
from yolo_plugins.config import find_config
from yolo_plugins.errors import UsageError


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    pairs: dict[str, Any] = {"nargs": "+", "default": [], "metavar": "KEY=VALUE"}
    add("config", help="path, or name of a file in configs/: runs = dict(MODEL=[SEED, ...])")
    add("--out", type=Path, help="folder of runs and tables (default: work_dirs/<config name>)")
    add("--jobs", type=int, default=1, metavar="N", help="runs at a time (default: %(default)s)")
    add("--gpus", type=int, metavar="N", help="GPUs of each run (default: 1 where there is one)")
    add("--slurm", metavar="PARTITION", help="run on this partition instead of this machine")
    add("--slurm-options", **pairs, help="for example time=1440 (minutes) cpus_per_task=8 mem=32GB")
    add("--cfg-options", **pairs, help="changes to every config, as for train.py")
    args = parser.parse_args()
    if args.jobs < 1 or (args.gpus or 0) < 0:
        parser.error("--jobs is at least 1, --gpus at least 0")
    return args


def main() -> None:
    args = parse_args()
    with one_line_errors():
        folder = args.out or Path("work_dirs") / find_config(args.config).stem
        import torch

        from yolo_plugins.study import jobs, plan

        gpus = int(torch.cuda.is_available()) if args.gpus is None else args.gpus
        runs = plan.plan_runs(args.config, folder, args.cfg_options, gpus)
        logs = folder / "jobs"
        if args.slurm:
            executors = jobs.slurm_executors(logs, gpus, args.slurm, args.slurm_options)
        else:
            executors = jobs.local_executors(logs, args.jobs, gpus)
        failures = jobs.run_all(runs, executors, args.jobs)
        left_out = plan.write_tables(runs, folder)
        done = len(runs) - len(left_out)
        tables = f": {folder}/runs.csv, protocols.csv, epochs.csv, complexity.csv" if done else ""
        print(f"{done} of {len(runs)} runs are complete{tables}")
        if failures:
            raise UsageError("; ".join(failures) + "; fix the cause, then the same command goes on")
        print(f"next: python tools/frontier.py {folder} --out {folder}/frontier")


if __name__ == "__main__":
    main()
