"""Trains the runs of a study and writes its tables; it needs pandas, which is missed here before a training starts."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from yolo_plugins.errors import UsageError
from yolo_plugins.record import read_record
from yolo_plugins.study.executors import Executors
from yolo_plugins.study.jobs import Run, run_all
from yolo_plugins.study.plan import check_is_its_own
from yolo_plugins.study.tables.collect import collect
from yolo_plugins.study.tables.schema import COMPLEXITY, EPOCHS, PROTOCOLS, RUNS, write_table


def run_study(runs: Sequence[Run], folder: Path, executors: Executors, jobs: int) -> Iterator[str]:
    """Trains what is not complete, `jobs` at a time, and writes the tables.

    Args:
        runs: Of the study.
        folder: For the tables.
        executors: Of the jobs.
        jobs: Runs at a time.

    Yields:
        What there is to tell at the end.

    Raises:
        UsageError: As `run_all` and `write_tables`; after all has been written, a run failed.
    """
    failures = run_all(runs, executors, jobs)
    yield write_tables(runs, folder)
    if failures:
        raise UsageError("; ".join(failures) + "; fix the cause, then the same command goes on")
    yield f"next: yolo-plugins frontier {folder} --out {folder}/frontier"


def write_tables(runs: Sequence[Run], folder: Path) -> str:
    """Writes the four tables of all complete runs under a folder, if there are any.

    These are the runs of this study and those of any other config that had the same folder: tables never lose a run.

    Returns:
        How many runs are complete, and what stands in the tables.

    Raises:
        UsageError: A run is of another configuration, or a record under the folder cannot be read or does not go with
            another one.
    """
    for run in runs:  # a job of an earlier start may have trained another configuration
        check_is_its_own(run)
    done = f"{sum(run.is_complete for run in runs)} of {len(runs)} runs are complete"
    records = sorted(folder.rglob("record.json"))
    if not any(read_record(record)["status"] == "complete" for record in records):
        return done
    tables = collect(records)
    frames = (tables.runs, tables.protocols, tables.epochs, tables.complexity)
    for frame, table in zip(frames, (RUNS, PROTOCOLS, EPOCHS, COMPLEXITY), strict=True):
        write_table(frame, folder / table.name, table)
    left_out = [f"not in the tables: {reason}" for reason in tables.left_out]
    files = f"{folder}/runs.csv, protocols.csv, epochs.csv, complexity.csv"
    return "\n".join([*left_out, f"{done}; all {len(tables.runs)} under {folder} are in the tables: {files}"])
