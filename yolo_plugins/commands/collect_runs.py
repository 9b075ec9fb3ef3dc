"""Collects the records of finished runs into runs.csv and the tables beside it, one way to start an analysis.

yolo-plugins collect-runs work_dirs/yolov5_n_voc work_dirs/yolov5_s_voc --out results/runs.csv
"""

import argparse
from pathlib import Path

from yolo_plugins.cli import any_path, one_line_errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "work_dirs", nargs="+", type=any_path, metavar="WORK_DIR", help="folder of a run, or a folder of such folders"
    )
    parser.add_argument(
        "--out", type=any_path, default=Path("runs.csv"), help="a row for each run (default: %(default)s)"
    )
    parser.add_argument("--epochs", type=any_path, metavar="CSV", help="(default: epochs.csv beside --out)")
    parser.add_argument("--complexity", type=any_path, metavar="CSV", help="(default: complexity.csv beside --out)")
    args = parser.parse_args()
    with one_line_errors():
        from yolo_plugins.errors import UsageError
        from yolo_plugins.study.tables import schema
        from yolo_plugins.study.tables.collect import collect, describe_differences, find_records
        from yolo_plugins.study.tables.protocols import tell_mixture

        targets = {
            schema.RUNS: args.out,
            schema.PROTOCOLS: args.out.with_name(schema.PROTOCOLS.name),
            schema.EPOCHS: args.epochs or args.out.with_name(schema.EPOCHS.name),
            schema.COMPLEXITY: args.complexity or args.out.with_name(schema.COMPLEXITY.name),
        }
        if len(set(targets.values())) < len(targets):
            raise UsageError(
                f"--out, --epochs and --complexity name one file ({args.out}), or protocols.csv: give three"
            )
        collected = collect(find_records(args.work_dirs))
        frames = (collected.runs, collected.protocols, collected.epochs, collected.complexity)
        for (table, path), frame in zip(targets.items(), frames, strict=True):
            schema.write_table(frame, path, table)
        for sentence in collected.left_out:
            print(f"Left out: {sentence}")
        mixture = tell_mixture(collected.runs, collected.protocols)
        for sentence in (*([mixture] if mixture else []), *describe_differences(collected.runs)):
            print(f"Note: {sentence}")
        models = collected.runs["model"].nunique()
        print(f"{len(collected.runs)} complete runs of {models} models: {', '.join(map(str, targets.values()))}")
