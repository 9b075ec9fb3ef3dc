"""Trainings as jobs: so many at a time, here or on Slurm, resumable at any moment.

A run is its folder, and what it has done stands in its `record.json`: nothing else is remembered. The job of a run
locks the folder and hands the lock to the training, which keeps it even when the job is killed. So a second start,
which may come at any time, waits for a training that is still alive and continues one that is not from its checkpoint.
"""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import submitit
from tqdm import tqdm

from yolo_plugins.errors import UsageError
from yolo_plugins.files import LOCKED_FOLDER, folder_lock
from yolo_plugins.record import Record, read_record

_POLL_SECONDS = {submitit.LocalJob: 1.0, submitit.SlurmJob: 15.0}  # between two looks; Slurm serves others too
_YEAR = 365 * 24 * 60  # minutes: submitit ends a local job after five by default


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


def local_executors(folder: Path, jobs: int, gpus: int) -> Callable[[int], submitit.Executor]:
    """Executors of processes on this machine; the n-th job of those at work has the n-th so many GPUs.

    More jobs than GPUs share them, in turn. The jobs share the cores unless OMP_NUM_THREADS is set.

    Args:
        folder: For logs.
        jobs: Runs at a time.
        gpus: Of each run; 0 trains on the CPU.

    Raises:
        UsageError: This machine has fewer GPUs.
    """
    ids = _visible_gpus()
    if gpus > len(ids):
        raise UsageError(f"--gpus {gpus}: this machine has {len(ids)}")
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // jobs)))

    def executor(slot: int) -> submitit.Executor:
        local = submitit.LocalExecutor(folder)
        visible = [ids[number % len(ids)] for number in range(slot * gpus, (slot + 1) * gpus)]
        local.update_parameters(gpus_per_node=gpus, visible_gpus=visible, timeout_min=_YEAR, stderr_to_stdout=True)
        return local

    return executor


def _visible_gpus() -> list[int]:
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    if all(map(str.isdigit, chosen)):
        return [*map(int, chosen)]
    from torch.cuda import device_count  # seconds, which each job would wait

    return [*range(device_count())]


def slurm_executors(
    folder: Path, gpus: int, partition: str, options: Sequence[str]
) -> Callable[[int], submitit.Executor]:
    """Executors of Slurm jobs on one node each.

    Args:
        folder: For logs, visible to all nodes.
        gpus: Of each run; 0 asks for none.
        partition: Where to run.
        options: Further parameters of `submitit.SlurmExecutor` as `key=value`: `time` (minutes; a day by default),
            `cpus_per_task`, `mem`, `account` ...

    Raises:
        UsageError: There is no Slurm here, or it has no such parameter.
    """
    given = dict(option.partition("=")[::2] for option in options)
    parameters: dict[str, Any] = {"time": 24 * 60, "job_name": "yolo_plugins"}
    parameters |= {key: int(value) if value.isdigit() else value for key, value in given.items()}
    if gpus:
        parameters["gpus_per_node"] = gpus
    try:
        slurm = submitit.SlurmExecutor(folder)
        slurm.update_parameters(partition=partition, stderr_to_stdout=True, **parameters)
    except RuntimeError as error:
        raise UsageError("no command srun: run this on a login node of a Slurm cluster") from error
    except ValueError as error:
        raise UsageError(f"--slurm-options: {str(error).splitlines()[0]}") from error
    return lambda slot: slurm


@dataclass
class _Attempt:
    job: submitit.Job
    slot: int
    epochs: int  # that were done before it


def run_all(runs: Sequence[Run], executors: Callable[[int], submitit.Executor], jobs: int) -> list[str]:
    """Trains what is not complete, `jobs` at a time, and shows the progress.

    A run that breaks off is continued as long as each attempt finishes at least one epoch. Stopping this function stops
    its jobs.

    Returns:
        A sentence for each run that failed.
    """
    queue = deque(run for run in runs if not run.is_complete)
    active: dict[Run, _Attempt] = {}
    failures = []
    with _progress(runs, jobs) as show:
        try:
            while queue or active:
                while queue and len(active) < jobs:
                    slot = min(set(range(jobs)) - {attempt.slot for attempt in active.values()})
                    run = queue.popleft()
                    job = executors(slot).submit(train, run.folder, run.command)
                    active[run] = _Attempt(job, slot, _epochs_done(run))
                time.sleep(max(_POLL_SECONDS[type(attempt.job)] for attempt in active.values()))
                for run in [run for run, attempt in active.items() if _has_ended(attempt.job)]:
                    attempt = active.pop(run)
                    if run.is_complete and run.record:
                        show(f"{run}: complete, {_scores(run.record)}")
                    elif _epochs_done(run) > attempt.epochs:
                        show(f"{run}: broke off after epoch {_epochs_done(run)}, goes on")
                        queue.appendleft(run)
                    else:
                        failures.append(f"{run}: {_last_words(attempt.job)}")
                        show(f"{failures[-1]}")
                show()
        except BaseException:
            for attempt in active.values():
                attempt.job.cancel(check=False)
            raise
    return failures


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
    training = subprocess.Popen(command, env=environment, pass_fds=[lock])
    try:
        return training.wait()
    except KeyboardInterrupt:
        training.send_signal(signal.SIGINT)
        training.wait()
        raise


def seconds_left(records: Sequence[Record | None], epochs: Sequence[int], jobs: int) -> float | None:
    """Time that the runs still need, `jobs` at a time; None before the first epoch of all.

    An epoch of a run costs what its epochs cost so far, of a run not yet begun the mean over the others. A complete run
    needs none, also one that stopped early.

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
    done = [record is not None and record["status"] == "complete" for record in records]
    left = [0 if end else total - len(of_run) for end, total, of_run in zip(done, epochs, rows, strict=True)]
    costs = [count * (mean if value is None else value) for count, value in zip(left, seconds, strict=True)]
    return max(sum(costs) / jobs, max(costs))


def _is_complete(folder: Path) -> bool:
    path = folder / "record.json"
    return path.is_file() and read_record(path)["status"] == "complete"


def _epochs_done(run: Run) -> int:
    return len(run.record["epochs"]) if run.record else 0


def _has_ended(job: submitit.Job) -> bool:
    """Whether a job left a result or is gone. Slurm's queue tells it at once, and on clusters without accounts too."""
    if isinstance(job, submitit.LocalJob):
        return job.done()
    if job.paths.result_pickle.exists():
        return True
    listed = subprocess.run(["squeue", "--noheader", "--jobs", job.job_id], capture_output=True, text=True, check=False)
    return not listed.stdout.strip() and (listed.returncode == 0 or "Invalid job id" in listed.stderr)


def _scores(record: Record) -> str:
    row = record["epochs"][-1]
    ap50 = row["scores"].get("ap50")
    return f"AP50 {ap50:.3f}" if ap50 is not None else f"training loss {row['train_loss']:.4f}"


def _last_words(job: submitit.Job) -> str:
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
