"""Trainings as jobs: so many at a time, here or on Slurm, resumable at any moment.

A run is its folder, and what it has done stands in its `record.json`: nothing else is remembered. The job of a run
locks the folder and hands the lock to the training, which keeps it even when the job is killed. So a second start,
which may come at any time, waits for a training that is still alive and continues one that is not from its checkpoint;
on Slurm it adopts the jobs that still live, whose ids are the names of the files in the run's folder of jobs.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import submitit
from tqdm import tqdm

from yolo_plugins.errors import UsageError
from yolo_plugins.files import LOCKED_FOLDER, folder_lock, is_locked
from yolo_plugins.record import Record, read_record, write_record
from yolo_plugins.study.executors import Executors, SlurmRefusalError, last_job, slurm_states, submit

# Why a run at work is to be stopped early; empty where it goes on.
Judge = Callable[["Run"], str]
_POLL_SECONDS = {submitit.LocalJob: 1.0, submitit.SlurmJob: 15.0}  # between two looks; Slurm serves others too


@dataclass(frozen=True)
class Run:
    """One training of a study.

    Attributes:
        model: Name of the config.
        seed: Of weights, data order and augmentation.
        folder: Its work directory.
        epochs: That it shall have.
        config_sha256: As its record will state it.
        command: What trains it, from the start or from its last checkpoint.
    """

    model: str
    seed: int
    folder: Path
    epochs: int
    config_sha256: str
    command: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.model} seed {self.seed}"

    @property
    def record(self) -> Record | None:
        """What the run has written so far; None before its start."""
        path = self.folder / "record.json"
        return read_record(path) if path.is_file() else None

    @property
    def is_complete(self) -> bool:
        """Whether all its epochs are done and recorded."""
        return _is_complete(self.folder)

    @property
    def is_stopped(self) -> bool:
        """Whether a study has stopped it early."""
        return self.record is not None and self.record["status"] == "stopped"

    @property
    def epochs_done(self) -> int:
        """That are recorded."""
        return len(self.record["epochs"]) if self.record else 0

    @property
    def jobs(self) -> Path:
        """Folder of its jobs: what they printed, and their ids, by which another start finds those that live."""
        return self.folder / "jobs"


@dataclass
class _Attempt:
    job: submitit.Job
    slot: int
    epochs: int  # that were done before it


def run_all(runs: Sequence[Run], executors: Executors, jobs: int, judge: Judge | None = None) -> list[str]:
    """Trains what is not complete, `jobs` at a time, and shows the progress.

    A Slurm job of an earlier start that still lives is waited for as if this start had submitted it. A run that breaks
    off is continued as long as each attempt finishes at least one epoch. An interrupt stops the jobs.

    Args:
        runs: All of the study.
        executors: Of the jobs.
        jobs: Runs at a time.
        judge: Says which runs to stop early; without, those that were stopped go on.

    Returns:
        A sentence for each run that failed.

    Raises:
        UsageError: Slurm refuses the jobs or does not answer, and none is at work.
    """
    with _progress(runs, jobs) as show:
        queue = [run for run in runs if not (run.is_complete or (judge and run.is_stopped))]
        work = _Work(queue, executors, jobs, show)
        refusal = ""
        try:
            while work.queue or work.active:
                try:
                    work.finish()
                    work.start()
                    if judge:
                        work.stop(judge)
                except SlurmRefusalError as error:
                    if not work.active:
                        raise
                    if refusal != str(error):
                        refusal = str(error)
                        show(f"{refusal}; until then what is at work goes on")
                show()
                time.sleep(max((_POLL_SECONDS[type(attempt.job)] for attempt in work.active.values()), default=0))
        except BaseException:
            for attempt in work.active.values():
                attempt.job.cancel(check=False)
            raise
    return work.failures


class _Work:
    """The runs that wait, those at work, and what became of the others.

    Args:
        queue: Runs to be trained, in this order.
        executors: Of their jobs.
        jobs: Runs at a time.
        show: Prints a line.
    """

    def __init__(self, queue: list[Run], executors: Executors, jobs: int, show: Callable[[str], None]) -> None:
        self.queue, self.active = queue, dict[Run, _Attempt]()
        self.failures: list[str] = []
        self._stopping: dict[Run, str] = {}  # and why
        self._executors, self._jobs, self._show = executors, jobs, show

    def finish(self) -> None:
        """Takes note of the jobs that have ended: their runs are complete, go on, or have failed."""
        states = slurm_states(attempt.job for attempt in self.active.values())
        for run, attempt in [*self.active.items()]:
            job = attempt.job
            if job in states or (isinstance(job, submitit.LocalJob) and not job.done()):
                continue
            if run in self._stopping and is_locked(run.folder):
                continue  # its training is about to end
            del self.active[run]
            if run.is_complete and run.record:
                self._show(f"{run}: complete, {scores_of(run.record)}")
            elif run in self._stopping and run.record:
                reason = self._stopping.pop(run)
                write_record(run.folder / "record.json", {**run.record, "status": "stopped", "stopped_because": reason})
                self._show(f"{run}: stopped after epoch {run.epochs_done}, {reason}")
            elif run.epochs_done > attempt.epochs:
                self._show(f"{run}: broke off after epoch {run.epochs_done}, goes on")
                self.queue.insert(0, run)
            else:
                self.failures.append(f"{run}: {last_words(job)}")
                self._show(self.failures[-1])

    def start(self) -> None:
        """Submits runs as long as there is room, except those at work: they come first, however many they are."""
        if not self.queue or len(self.active) >= self._jobs:
            return
        for run, (job, _) in living(self.queue).items():
            self._show(f"{run}: Slurm job {job.job_id} of an earlier start lives, waits for it")
            self.queue.remove(run)
            self.active[run] = _Attempt(job, self._free_slot(), epochs=-1)  # it may have done some: no failure yet
        while self.queue and len(self.active) < self._jobs:
            run, slot = self.queue[0], self._free_slot()
            job = submit(self._executors(run.jobs, slot), train, run.folder, run.command)
            self.queue.remove(run)
            self.active[run] = _Attempt(job, slot, run.epochs_done)

    def stop(self, judge: Judge) -> None:
        """Ends the jobs of the runs that are to be stopped early, as an interrupt would."""
        for run, attempt in self.active.items():
            if run not in self._stopping and (reason := judge(run)):
                self._stopping[run] = reason
                attempt.job.cancel(check=False)

    def _free_slot(self) -> int:
        taken = {attempt.slot for attempt in self.active.values()}
        return next(slot for slot in count() if slot not in taken)


def submit_all(runs: Sequence[Run], executors: Executors) -> Iterator[str]:
    """Submits each run that is neither complete nor at work, all at once, and waits for none.

    Yields:
        A sentence for each run.

    Raises:
        UsageError: Slurm refuses a job or does not answer; the jobs before it stay submitted.
    """
    at_work = living(runs)
    for run in runs:
        if run.is_complete:
            yield f"{run}: complete"
        elif run in at_work:
            yield f"{run}: Slurm job {at_work[run][0].job_id} lives"
        elif is_locked(run.folder):
            yield f"{run}: a training is at work in its folder"
        else:
            job = submit(executors(run.jobs, 0), train, run.folder, run.command)
            yield f"{run}: submitted as Slurm job {job.job_id}"


def living(runs: Iterable[Run]) -> dict[Run, tuple[submitit.Job, str]]:
    """The last Slurm job of each run, and what the queue says of it, as far as it has not ended.

    Raises:
        UsageError: Slurm cannot be asked.
    """
    last = {run: job for run in runs if not run.is_complete and (job := last_job(run.jobs))}
    states = slurm_states(last.values())
    return {run: (job, states[job]) for run, job in last.items() if job in states}


def train(folder: Path, command: Sequence[str]) -> int:
    """The job of a run: waits until no other works in its folder, then trains, unless that has been done meanwhile.

    Returns:
        Exit status of the training.
    """
    try:
        lock = folder_lock(folder, wait=True)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if _is_complete(folder):
        return 0
    environment = os.environ | {LOCKED_FOLDER: str(folder.resolve())}
    training = subprocess.Popen(command, env=environment, pass_fds=lock.descriptors)
    try:
        return training.wait()
    except KeyboardInterrupt:
        training.send_signal(signal.SIGINT)
        training.wait()
        raise


def seconds_left(records: Sequence[Record | None], epochs: Sequence[int], jobs: int) -> float | None:
    """Time that the runs still need, `jobs` at a time; None before the first epoch of all.

    An epoch of a run costs what its epochs cost so far, of a run not yet begun the mean over the others. A complete run
    needs none, nor one that was stopped early.

    Args:
        records: What each run has written, None before its start.
        epochs: That each shall have.
        jobs: Runs at a time.
    """
    rows = [record["epochs"] if record else [] for record in records]
    seconds = [
        sum(row["train_seconds"] + (row["val_seconds"] or 0) for row in of_run) / len(of_run) if of_run else None
        for of_run in rows
    ]
    known = [value for value in seconds if value is not None]
    if not known:
        return None
    mean = sum(known) / len(known)
    done = [record is not None and record["status"] in ("complete", "stopped") for record in records]
    left = [0 if end else total - len(of_run) for end, total, of_run in zip(done, epochs, rows, strict=True)]
    costs = [count * (mean if value is None else value) for count, value in zip(left, seconds, strict=True)]
    return max(sum(costs) / jobs, max(costs))


def _is_complete(folder: Path) -> bool:
    path = folder / "record.json"
    return path.is_file() and read_record(path)["status"] == "complete"


def scores_of(record: Record) -> str:
    """Its last AP50, or its last loss where it was not validated."""
    row = record["epochs"][-1]
    ap50 = row["scores"].get("ap50")
    return f"AP50 {ap50:.3f}" if ap50 is not None else f"training loss {row['train_loss']:.4f}"


def last_words(job: submitit.Job) -> str:
    """The error of a training, else the last line that it wrote; and where the rest stands."""
    log = Path(job.paths.stdout)
    written = log.read_text(errors="replace").strip().splitlines() if log.is_file() else []
    lines = [line for line in written if not line.startswith("submitit ")]
    errors = [line for line in lines if line.startswith("error: ")]
    said = (errors or lines or ["ended without a word"])[-1]
    return f"failed ({said}); log: {log}"


@contextmanager
def _progress(runs: Sequence[Run], jobs: int) -> Iterator[Callable[..., None]]:
    """Yields a function that shows epochs done and time left, and prints a line where it is given one."""
    total = sum(run.epochs for run in runs)
    bar_format = "{n_fmt}/{total_fmt} epochs |{bar}| {elapsed}{postfix}"
    with tqdm(total=total, bar_format=bar_format, disable=None) as bar:

        def show(line: str = "") -> None:
            records = [run.record for run in runs]
            complete = sum(record is not None and record["status"] == "complete" for record in records)
            left = seconds_left(records, [run.epochs for run in runs], jobs)
            status = f"{complete}/{len(runs)} runs, " + (
                f"{_duration(left)} left" if left is not None else "no epoch yet"
            )
            if line:
                tqdm.write(f"{line}; {status}")
            bar.set_postfix_str(status, refresh=False)
            bar.update(sum(len(record["epochs"]) for record in records if record) - bar.n)
            bar.refresh()

        yield show


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
