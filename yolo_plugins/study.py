"""A study: every model with every seed, so many runs at a time, here or on Slurm, resumable at any moment.

A run is its folder, and what it has done stands in its `record.json`: nothing else is remembered. The job of a run locks
the folder and hands the lock to the training, which keeps it even when the job is killed. So a second start, which may
come at any time, waits for a training that is still alive and goes on from the last checkpoint of one that is not.
"""

import fcntl
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
import torch
from mmengine.config import Config
from tqdm import tqdm

from yolo_plugins.cli import REPO, find_config, load_config
from yolo_plugins.engine.record import describe_config, read_record
from yolo_plugins.errors import UsageError

_KEYS = {"runs", "options"}  # of a study's config
_POLL_SECONDS = 1.0
_QUEUE_SECONDS = 20.0  # between two looks at Slurm's queue
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
    def record(self) -> dict[str, Any] | None:
        """What the run has written so far; None before its start."""
        path = self.folder / "record.json"
        return read_record(path) if path.is_file() else None

    @property
    def is_complete(self) -> bool:
        """Whether all its epochs are done and recorded."""
        return _is_complete(self.folder)


def plan(name: str, folder: Path, options: Sequence[str] = (), processes: int = 1) -> list[Run]:
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
    study = Config.fromfile(path)
    if unknown := study.keys() - _KEYS:
        raise UsageError(f"{path}: unknown key {min(unknown)!r}; a study has {' and '.join(sorted(_KEYS))}")
    if not study.get("runs"):
        raise UsageError(f"{path}: no runs; write runs = dict(yolov5_n_voc=[0, 1]), the seeds of each model")
    start = [sys.executable, os.path.relpath(REPO / "tools/train.py")]
    launcher = []
    if processes > 1:
        start[1:1] = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        launcher = ["--launcher", "pytorch"]
    runs = []
    for model, seeds in study.runs.items():
        changes = [*study.get("options", []), *options]
        config = load_config(model, changes)
        description = describe_config(config)
        for seed in seeds:
            work_dir = folder / f"{description['config_name']}_seed{seed}"
            arguments = [model, "--seed", str(seed), "--work-dir", str(work_dir), "--resume", *launcher]
            command = (*start, *arguments, *(["--cfg-options", *changes] if changes else []))
            sha = description["config_sha256"]
            run = Run(description["config_name"], seed, work_dir, config.train_cfg.max_epochs, sha, command)
            _check_is_its_own(run)
            runs.append(run)
    if len({run.folder for run in runs}) < len(runs):
        raise UsageError(f"{path}: two runs have one folder; name each config and each of its seeds once")
    return runs


def _check_is_its_own(run: Run) -> None:
    if run.record and run.record["config_sha256"] != run.config_sha256:
        raise UsageError(
            f"{run.folder} holds a run of another configuration ({run.record['command']}): choose another --out, or "
            "move it away"
        )


def local_executors(folder: Path, jobs: int, gpus: int) -> Callable[[int], submitit.Executor]:
    """Executors of processes on this machine; the n-th job of those at work has the n-th so many GPUs.

    The jobs share the cores unless OMP_NUM_THREADS is set.

    Args:
        folder: For logs.
        jobs: Runs at a time.
        gpus: Of each run; 0 trains on the CPU.

    Raises:
        UsageError: This machine has fewer GPUs.
    """
    if jobs * gpus > torch.cuda.device_count():
        raise UsageError(f"--jobs {jobs} x --gpus {gpus}: this machine has {torch.cuda.device_count()} GPUs")
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // jobs)))

    def executor(slot: int) -> submitit.Executor:
        local = submitit.LocalExecutor(folder)
        visible = [*range(slot * gpus, (slot + 1) * gpus)]
        local.update_parameters(gpus_per_node=gpus, visible_gpus=visible, timeout_min=_YEAR, stderr_to_stdout=True)
        return local

    return executor


def slurm_executors(folder: Path, gpus: int, partition: str, options: dict[str, Any]) -> Callable[[int], submitit.Executor]:
    """Executors of Slurm jobs on one node each.

    Args:
        folder: For logs, visible to all nodes.
        gpus: Of each run; 0 asks for none.
        partition: Where to run.
        options: Further parameters of `submitit.SlurmExecutor`: `time` (minutes), `cpus_per_task`, `mem`, `account` ...

    Raises:
        UsageError: There is no Slurm here, or it has no such parameter.
    """
    parameters = {"time": 24 * 60, "job_name": "yolo_plugins", **options}
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
                time.sleep(_POLL_SECONDS)
                for run in [run for run, attempt in active.items() if _has_ended(attempt.job)]:
                    attempt = active.pop(run)
                    if run.is_complete:
                        show(f"{run}: complete")
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
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)  # held as long as any process that inherits the descriptor lives
    if _is_complete(folder):
        return 0
    training = subprocess.Popen(command, pass_fds=[lock])
    try:
        return training.wait()
    except KeyboardInterrupt:
        training.send_signal(signal.SIGINT)
        training.wait()
        raise


def write_tables(runs: Sequence[Run], folder: str | Path) -> list[str]:
    """Writes runs.csv, epochs.csv and complexity.csv of the complete runs.

    Returns:
        A sentence for each run that is left out.
    """
    from yolo_plugins.analysis.records import collect
    from yolo_plugins.analysis.schema import COMPLEXITY, EPOCHS, RUNS, write_table

    tables = collect([run.folder / "record.json" for run in runs if run.record])
    folder = Path(folder)
    write_table(tables.runs, folder / "runs.csv", RUNS)
    write_table(tables.epochs, folder / "epochs.csv", EPOCHS)
    write_table(tables.complexity, folder / "complexity.csv", COMPLEXITY)
    return [*tables.left_out, *(f"{run}: not begun" for run in runs if not run.record)]


def seconds_left(records: Sequence[dict[str, Any] | None], epochs: Sequence[int], jobs: int) -> float | None:
    """Time that the runs still need, `jobs` at a time; None before the first epoch of all.

    An epoch of a run costs what its epochs cost so far, of a run not yet begun the mean over the others.

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
    left = [total - len(of_run) for total, of_run in zip(epochs, rows, strict=True)]
    costs = [count * (mean if value is None else value) for count, value in zip(left, seconds, strict=True)]
    return max(sum(costs) / jobs, max(costs))


def _is_complete(folder: Path) -> bool:
    path = folder / "record.json"
    return path.is_file() and read_record(path)["status"] == "complete"


def _epochs_done(run: Run) -> int:
    return len(run.record["epochs"]) if run.record else 0


def _has_ended(job: submitit.Job) -> bool:
    """Whether a job left a result or is gone; Slurm forgets killed jobs, and not every cluster keeps accounts."""
    if job.done():
        return True
    if not isinstance(job, submitit.SlurmJob) or time.monotonic() % _QUEUE_SECONDS > _POLL_SECONDS:
        return False
    listed = subprocess.run(["squeue", "--noheader", "--jobs", job.job_id], capture_output=True, text=True, check=False)
    return not listed.stdout.strip() and (listed.returncode == 0 or "Invalid job id" in listed.stderr)


def _last_words(job: submitit.Job) -> str:
    """The error of a training, else the last line that it wrote; and where the rest stands."""
    log = Path(job.paths.stdout)
    lines = log.read_text(errors="replace").strip().splitlines() if log.is_file() else []
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
            status = f"{complete}/{len(runs)} runs, " + (f"{_duration(left)} left" if left is not None else "no epoch yet")
            if line:
                tqdm.write(f"{line}; {status}")
            bar.set_postfix_str(status, refresh=False)
            bar.update(sum(len(record["epochs"]) for record in records if record) - bar.n)
            bar.refresh()

        yield show


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
