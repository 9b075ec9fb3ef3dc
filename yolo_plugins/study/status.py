"""Where the runs of a study are, on this machine or on Slurm. Asks their folders and Slurm's queue, changes nothing."""

from collections.abc import Iterator, Sequence

import submitit

from yolo_plugins.files import is_locked
from yolo_plugins.study.executors import last_job
from yolo_plugins.study.jobs import Run, last_words, living, scores_of

_WORDS = {"PENDING": "queued", "RUNNING": "running"}  # for Slurm's


def tell_status(runs: Sequence[Run]) -> Iterator[str]:
    """Where each run is, and how many are complete.

    Yields:
        A sentence for each run, and one for all.

    Raises:
        UsageError: Slurm cannot be asked about a job that may live.
    """
    jobs = living(runs)
    for run in runs:
        yield f"{run}: {_where(run, *jobs.get(run, (None, '')))}"
    yield tell_count(runs)


def tell_count(runs: Sequence[Run]) -> str:
    """How many are complete, and how many were stopped early."""
    stopped = sum(run.is_stopped for run in runs)
    more = f", {stopped} stopped early" if stopped else ""
    return f"{sum(run.is_complete for run in runs)} of {len(runs)} runs are complete{more}"


def _where(run: Run, living_job: submitit.Job | None, state: str) -> str:
    record, done = run.record, f"{run.epochs_done} of {run.epochs} epochs done"
    if record and run.is_complete:
        return f"complete, {scores_of(record)}"
    if record and run.is_stopped and not is_locked(run.folder):
        return f"stopped after epoch {run.epochs_done} of {run.epochs}, {record.get('stopped_because', '')}"
    if living_job:
        word = _WORDS.get(state, state.lower())
        return f"{word}, {_now(run) if word == 'running' else done}, Slurm job {living_job.job_id}"
    job = last_job(run.jobs)
    has_ended = job is not None and job.paths.result_pickle.exists()
    if is_locked(run.folder):
        return f"running, {_now(run)}" + (f", job {job.job_id}" if job and not has_ended else "")
    if job and (record["status"] == "failed" if record else has_ended):
        return f"{last_words(job)}; {done}"
    return f"interrupted, {done}" if record or job else "not begun"


def _now(run: Run) -> str:
    return f"epoch {run.epochs_done + 1} of {run.epochs}"
