"""Trains the runs of a study and writes its tables; it needs pandas, which is missed here before a training starts."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from yolo_plugins.errors import UsageError
from yolo_plugins.record import read_record
from yolo_plugins.study.executors import Executors
from yolo_plugins.study.forecast import reason_to_stop
from yolo_plugins.study.jobs import Judge, Run, run_all
from yolo_plugins.study.plan import check_is_its_own
from yolo_plugins.study.status import tell_count
from yolo_plugins.study.tables.collect import collect
from yolo_plugins.study.tables.schema import COMPLEXITY, EPOCHS, PROTOCOLS, RUNS, write_table


def run_study(
    runs: Sequence[Run], folder: Path, executors: Executors, jobs: int, judge: Judge | None = None
) -> Iterator[str]:
    """Trains what is not complete, `jobs` at a time, and writes the tables.

    Args:
        runs: Of the study.
        folder: For the tables.
        executors: Of the jobs.
        jobs: Runs at a time.
        judge: As for `run_all`.

    Yields:
        What there is to tell at the end.

    Raises:
        UsageError: As `run_all` and `write_tables`; after all has been written, a run failed.
    """
    failures = run_all(runs, executors, jobs, judge)
    yield write_tables(runs, folder)
    if failures:
        raise UsageError("; ".join(failures) + "; fix the cause, then the same command goes on")
    yield f"next: yolo-plugins frontier {folder} --out {folder}/frontier"


def stop_early(runs: Sequence[Run], y: str, share: float) -> Judge:
    """Judges each run once, by its forecast after a share of its epochs, or as soon after as that can be said.

    Args:
        runs: All of the study.
        y: As for `reason_to_stop`.
        share: As for `reason_to_stop`.
    """
    judged: set[Run] = set()

    def judge(run: Run) -> str:
        record = run.record
        if run in judged or record is None or len(record["epochs"]) < share * run.epochs:
            return ""
        reason = reason_to_stop(record, [other.record for other in runs if other != run and other.record], y, share)
        if reason is not None:
            judged.add(run)
        return reason or ""

    return judge


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
    done = tell_count(runs)
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
