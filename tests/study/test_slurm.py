"""Jobs on Slurm, with stand-ins for its commands and for the training."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from loopback_slurm import submitted
from stub_training import SECONDS, make_run, run_all, start_runner, trained, wait_for

from yolo_plugins.errors import UsageError
from yolo_plugins.files import is_locked
from yolo_plugins.study import executors, jobs
from yolo_plugins.study.status import tell_status


def detach(runs: list[jobs.Run]) -> list[str]:
    return [*jobs.submit_all(runs, executors.slurm_executors(0, "all", []))]


def epochs_of(run: jobs.Run) -> list[int]:
    return [epoch for epoch, _, _ in trained(run)]


def test_a_study_on_slurm_trains_every_run_once(tmp_path, loopback_slurm):
    runs = [make_run(tmp_path, seed, 2) for seed in range(3)]
    assert run_all(runs, partition="all") == []
    assert [epochs_of(run) for run in runs] == [[1, 2]] * 3
    assert submitted(loopback_slurm) == 3


def test_the_jobs_of_a_killed_study_are_adopted_whether_they_run_or_are_queued(tmp_path, loopback_slurm, capsys):
    runs = [make_run(tmp_path, seed, 6) for seed in range(2)]
    runner = start_runner(tmp_path, "all")
    wait_for(lambda: runs[0].record)
    (loopback_slurm / "hold").touch()
    late = make_run(tmp_path, 2, 1)
    assert "submitted as Slurm job" in detach([late])[0]
    runner.kill()
    runner.wait()
    with start_after(2 * SECONDS, (loopback_slurm / "hold").unlink):
        assert run_all([*runs, late], partition="all") == []
    assert submitted(loopback_slurm) == 3
    assert [epochs_of(run) for run in (*runs, late)] == [[1, 2, 3, 4, 5, 6]] * 2 + [[1]]
    assert capsys.readouterr().out.count("of an earlier start lives") == 3  # more than two at a time were at work


@contextlib.contextmanager
def start_after(seconds: float, action):
    """Does something while the body runs."""
    timer = threading.Timer(seconds, action)
    timer.start()
    yield
    timer.join()


def test_an_adopted_job_that_breaks_off_is_continued(tmp_path, loopback_slurm):
    run = make_run(tmp_path, epochs=3, manner="dies")
    detach([run])
    assert run_all([run], partition="all") == []
    assert epochs_of(run) == [1, 2, 3]
    assert submitted(loopback_slurm) == 3


def test_detaching_submits_what_is_neither_complete_nor_at_work(tmp_path, loopback_slurm):
    runs = [make_run(tmp_path, seed, 1) for seed in range(3)]
    assert run_all(runs[:1], partition="all") == []
    (loopback_slurm / "hold").touch()
    first = detach(runs)
    assert first[0] == "m seed 0: complete"
    assert first[1:] == [f"m seed {seed}: submitted as Slurm job {5001 + seed}" for seed in (1, 2)]
    assert detach(runs)[1:] == [f"m seed {seed}: Slurm job {5001 + seed} lives" for seed in (1, 2)]
    (loopback_slurm / "hold").unlink()
    assert run_all(runs, partition="all") == []
    assert submitted(loopback_slurm) == 3


def test_an_interrupt_cancels_adopted_jobs_too(tmp_path, loopback_slurm):
    runs = [make_run(tmp_path, seed, 6) for seed in range(2)]
    detach(runs)
    runner = start_runner(tmp_path, "all")
    wait_for(lambda: all(run.record for run in runs))
    time.sleep(1)  # until the runner has begun
    runner.send_signal(signal.SIGINT)
    assert runner.wait(timeout=30) != 0
    assert jobs.living(runs) == {}
    assert submitted(loopback_slurm) == 2


def test_a_slurm_that_refuses_or_does_not_answer_is_told_in_one_line(tmp_path, loopback_slurm):
    run = make_run(tmp_path)
    (loopback_slurm / "refuse").write_text("sbatch: error: first\nsbatch: error: invalid partition specified: all\n")
    with pytest.raises(UsageError, match=r"^sbatch: sbatch: error: invalid partition specified: all: change"):
        run_all([run], partition="all")
    (loopback_slurm / "refuse").unlink()
    (loopback_slurm / "hold").touch()
    detach([run])
    (loopback_slurm / "refuse").write_text("slurm_load_jobs error: Unable to contact slurm controller\n")
    for ask in (lambda: run_all([run], partition="all"), lambda: [*tell_status([run])], lambda: detach([run])):
        with pytest.raises(UsageError, match=r"^squeue: slurm_load_jobs error: Unable to contact.*: try it again"):
            ask()


def test_jobs_at_work_outlive_a_slurm_that_does_not_answer_for_a_while(tmp_path, loopback_slurm, capsys):
    runs = [make_run(tmp_path, seed, 6) for seed in range(2)]
    refuse = loopback_slurm / "refuse"

    def interrupt_service() -> None:
        wait_for(lambda: runs[0].record)
        refuse.write_text("squeue: error: Socket timed out\n")
        time.sleep(3 * SECONDS)
        refuse.unlink()

    with start_after(0, interrupt_service):
        assert run_all(runs, count=1, partition="all") == []
    assert [epochs_of(run) for run in runs] == [[1, 2, 3, 4, 5, 6]] * 2
    assert capsys.readouterr().out.count("Socket timed out") == 1


def test_without_slurm_a_job_that_may_live_is_told_with_the_remedy(tmp_path, loopback_slurm, monkeypatch):
    run = make_run(tmp_path)
    (loopback_slurm / "hold").touch()
    detach([run])
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match=r"no command squeue, and Slurm job 5001 .*or remove .*m_seed0/jobs"):
        run_all([run])


def test_the_status_tells_where_each_run_is_and_changes_nothing(tmp_path, loopback_slurm):
    manners = ["works", "fails", "dies", "works", "works", "works"]
    complete, failed, killed, running, queued, fresh = (
        make_run(tmp_path, seed, 60 if seed == 3 else 2, manner) for seed, manner in enumerate(manners)
    )
    detach([complete, failed, killed, running])
    wait_for(lambda: complete.is_complete and killed.record and running.record)
    wait_for(lambda: len(jobs.living([complete, failed, killed, running])) == 1 and not is_locked(killed.folder))
    (loopback_slurm / "hold").touch()
    detach([queued])
    before = times(tmp_path, running.folder)
    told = [*tell_status([complete, failed, killed, running, queued, fresh])]
    assert times(tmp_path, running.folder) == before
    assert told[0] == "m seed 0: complete, AP50 0.500"
    assert told[1].startswith("m seed 1: failed (error: the disk is full); log: ")
    assert told[1].endswith("; 0 of 2 epochs done")
    assert told[2] == "m seed 2: interrupted, 1 of 2 epochs done"
    assert told[3].startswith("m seed 3: running, epoch ")
    assert told[3].endswith(" of 60, Slurm job 5004")
    assert told[4:] == [
        "m seed 4: queued, 0 of 2 epochs done, Slurm job 5005",
        "m seed 5: not begun",
        "1 of 6 runs are complete",
    ]


def times(folder: Path, at_work: Path) -> dict[Path, int]:
    """When each file and folder changed, but for a run at work and the stand-in for Slurm."""
    paths = [path for path in folder.rglob("*") if not {at_work, folder / "slurm"} & {path, *path.parents}]
    return {path: os.lstat(path).st_mtime_ns for path in paths}
