"""Where the jobs of a study run: as processes of this machine, or on Slurm, whose queue tells which of them live."""

import os
import re
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import FailedJobError

from yolo_plugins.errors import UsageError

# Of a job: by the folder for its files, which is that of one run, and its number among those at work.
Executors = Callable[[Path, int], submitit.Executor]
_YEAR = 365 * 24 * 60  # minutes: submitit ends a local job after five by default


class SlurmRefusalError(UsageError):
    """Slurm refuses a job or does not answer, perhaps for the moment only."""


def local_executors(jobs: int, gpus: int) -> Executors:
    """Executors of processes on this machine; the n-th job of those at work has the n-th so many GPUs.

    More jobs than GPUs share them, in turn. The jobs share the cores unless OMP_NUM_THREADS is set.

    Args:
        jobs: Runs at a time.
        gpus: Of each run; 0 trains on the CPU.

    Raises:
        UsageError: This machine has fewer GPUs.
    """
    ids = _visible_gpus()
    if gpus > len(ids):
        raise UsageError(f"--gpus {gpus}: this machine has {len(ids)}")
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // jobs)))

    def executor(folder: Path, slot: int) -> submitit.Executor:
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


def slurm_executors(gpus: int, partition: str, options: Sequence[str]) -> Executors:
    """Executors of Slurm jobs on one node each.

    Args:
        gpus: Of each run; 0 asks for none.
        partition: Where to run.
        options: Further parameters of `submitit.SlurmExecutor` as `key=value`: `time` (minutes; a day by default),
            `cpus_per_task`, `mem`, `account` ...

    Raises:
        UsageError: There is no Slurm here, or it has no such parameter, or one has no value.
    """
    parameters: dict[str, Any] = {"time": 24 * 60, "job_name": "yolo_plugins"}
    for option in options:
        key, _, value = option.partition("=")
        if not key or not value:
            raise UsageError(f"--slurm-options {option!r} is not KEY=VALUE; write for example time=1440")
        parameters[key] = int(value) if re.fullmatch(r"[0-9]{1,18}", value) else value
    if gpus:
        parameters["gpus_per_node"] = gpus

    def executor(folder: Path, slot: int) -> submitit.Executor:
        slurm = submitit.SlurmExecutor(folder)
        slurm.update_parameters(partition=partition, stderr_to_stdout=True, **parameters)
        return slurm

    try:
        executor(Path(), 0)
    except RuntimeError as error:
        raise UsageError("no command srun: run this on a login node of a Slurm cluster") from error
    except ValueError as error:
        raise UsageError(f"--slurm-options: {str(error).splitlines()[0]}") from error
    return executor


def submit(executor: submitit.Executor, function: Callable, *args: Any) -> submitit.Job:
    """Submits a job that calls a function.

    Raises:
        SlurmRefusalError: In Slurm's words.
    """
    try:
        return executor.submit(function, *args)
    except FailedJobError as error:
        raise SlurmRefusalError(f"sbatch: {_last_line(str(error))}: change --slurm-options, or wait") from error


def last_job(folder: Path) -> submitit.Job | None:
    """The job that was last submitted with this folder, by this start of a study or an earlier one; None for none.

    submitit writes its files under the job's id, a script for Slurm alone. A job whose submission was broken off before
    that finds nothing to do.
    """
    submitted = max(folder.glob("*_submitted.pkl"), key=lambda path: path.stat().st_mtime_ns, default=None)
    if submitted is None:
        return None
    job_id = submitted.name.removesuffix("_submitted.pkl")
    is_slurm = (folder / f"{job_id}_submission.sh").is_file()
    return (submitit.SlurmJob if is_slurm else submitit.LocalJob)(folder, job_id)


def slurm_states(jobs: Iterable[submitit.Job]) -> dict[submitit.Job, str]:
    """What Slurm's queue says of each job that has not ended: PENDING, RUNNING, or another of its words.

    The queue knows it at once, and on clusters without accounting too. Jobs of this machine are no matter of Slurm's.

    Raises:
        SlurmRefusalError: It cannot be asked.
    """
    jobs_by_id = {
        job.job_id: job for job in jobs if isinstance(job, submitit.SlurmJob) and not job.paths.result_pickle.exists()
    }
    if not jobs_by_id:
        return {}
    command = ["squeue", "--noheader", "--format=%i %T", "--jobs", ",".join(jobs_by_id)]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        job = next(iter(jobs_by_id.values()))
        raise SlurmRefusalError(
            f"no command squeue, and Slurm job {job.job_id} may be at work: run this on a login node, or remove "
            f"{job.paths.folder} if that job is gone"
        ) from error
    if listed.returncode and "Invalid job id" not in listed.stderr:  # said where the only one has long ended
        raise SlurmRefusalError(f"squeue: {_last_line(listed.stderr)}: try it again when Slurm answers")
    states = dict(line.split(maxsplit=1) for line in listed.stdout.splitlines())
    return {jobs_by_id[job_id]: state for job_id, state in states.items()}


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["failed without a word"])[-1]
