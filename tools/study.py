"""Runs a study, every model with every seed, and writes its tables. Stopped at any moment, the same command goes on.

python tools/study.py configs/study_voc.py --jobs 2
python tools/study.py configs/study_voc.py --jobs 8 --gpus 1 --slurm PARTITION --slurm-options time=1440 cpus_per_task=8
"""

import argparse
from pathlib import Path

from yolo_plugins.cli import find_config, one_line_errors
from yolo_plugins.errors import UsageError


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="path, or name of a file in configs/: runs = dict(MODEL=[SEED, ...])")
    parser.add_argument("--out", type=Path, help="folder of runs and tables (default: work_dirs/<config name>)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at a time (default: %(default)s)")
    parser.add_argument("--gpus", type=int, default=0, metavar="N", help="GPUs of each run (default: 0, on the CPU)")
    parser.add_argument("--slurm", metavar="PARTITION", help="run on this partition instead of this machine")
    parser.add_argument(
        "--slurm-options", nargs="+", default=[], metavar="KEY=VALUE", help="time (minutes), cpus_per_task, mem, account"
    )
    parser.add_argument(
        "--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="changes to every config, as for train.py"
    )
    return parser.parse_args()


def main() -> None:
    """Plans, trains what is not complete, writes the tables."""
    args = parse_args()
    with one_line_errors():
        folder = args.out or Path("work_dirs") / find_config(args.config).stem
        from yolo_plugins import study

        runs = study.plan(args.config, folder, args.cfg_options, processes=args.gpus)
        logs = folder / "jobs"
        if args.slurm:
            executors = study.slurm_executors(logs, args.gpus, args.slurm, args.slurm_options)
        else:
            executors = study.local_executors(logs, args.jobs, args.gpus)
        failures = study.run_all(runs, executors, args.jobs)
        left_out = study.write_tables(runs, folder)
        print(f"{len(runs) - len(left_out)} of {len(runs)} runs are complete: {folder}/runs.csv, epochs.csv, complexity.csv")
        if failures:
            raise UsageError("; ".join(failures) + "; mend the cause, then the same command goes on")
        print(f"next: python tools/frontier.py {folder} --out {folder}/frontier")


if __name__ == "__main__":
    main()
