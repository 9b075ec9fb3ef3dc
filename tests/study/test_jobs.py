"""Jobs, with a stand-in for the training, on this machine."""

import os
import re
import signal
import time
from itertools import pairwise
from pathlib import Path

import pytest
from stub_training import SECONDS, make_run, run_all, start_runner, trained, wait_for

from yolo_plugins.files import is_locked
from yolo_plugins.study import jobs
from yolo_plugins.study.status import tell_status


def test_every_run_is_trained_and_never_more_at_a_time_than_asked(tmp_path, capsys):
    runs = [make_run(tmp_path, seed) for seed in range(4)]
    assert run_all(runs, count=2) == []
    assert all(run.is_complete for run in runs)
    times = [(begin, end) for run in runs for _, begin, end in trained(run)]
    assert len(times) == 12
    assert max(sum(begin <= at < end for begin, end in times) for at, _ in times) == 2
    said = capsys.readouterr().out
    assert [f"m seed {seed}: complete, AP50 0.500" in said for seed in range(4)] == [True] * 4
    assert "4/4 runs, 0 s left" in said


def test_a_second_start_trains_nothing(tmp_path):
    runs = [make_run(tmp_path)]
    for _ in range(2):
        assert run_all(runs) == []
    assert [epoch for epoch, _, _ in trained(runs[0])] == [1, 2, 3]


def test_a_training_that_is_killed_after_each_epoch_is_continued_to_its_end(tmp_path):
    run = make_run(tmp_path, manner="dies")
    assert run_all([run]) == []
    assert [epoch for epoch, _, _ in trained(run)] == [1, 2, 3]


def test_a_failure_is_reported_in_its_own_words_and_stops_no_other_run(tmp_path):
    runs = [make_run(tmp_path, 0, manner="fails"), make_run(tmp_path, 1)]
    (failure,) = run_all(runs)
    assert failure.startswith("m seed 0: failed (error: the disk is full); log: ")
    assert Path(failure.rpartition("log: ")[2]).is_file()
    assert runs[1].is_complete


def test_a_crash_is_reported_in_its_last_line(tmp_path):
    (failure,) = run_all([make_run(tmp_path, manner="crashes")])
    assert failure.startswith("m seed 0: failed (RuntimeError: all elements of input should be between 0 and 1); log: ")


def test_a_killed_runner_leaves_no_epoch_out_and_none_twice(tmp_path):
    runs = [make_run(tmp_path, seed, 6) for seed in range(2)]
    for moment in (1, 3):
        runner = start_runner(tmp_path)
        wait_for(lambda moment=moment: runs[0].record and len(runs[0].record["epochs"]) >= moment)
        runner.kill()  # its trainings live on, and hold their folders
        runner.wait()
    assert run_all(runs) == []
    for run in runs:
        epochs = trained(run)
        assert [epoch for epoch, _, _ in epochs] == [1, 2, 3, 4, 5, 6]
        assert all(begin >= end for (_, _, end), (_, begin, _) in pairwise(epochs))


def test_an_interrupt_stops_the_trainings(tmp_path):
    run = make_run(tmp_path, 0, 6)
    runner = start_runner(tmp_path)
    wait_for(lambda: run.record)
    os.killpg(runner.pid, signal.SIGINT)
    assert runner.wait(timeout=30) != 0
    time.sleep(2 * SECONDS)
    count = len(trained(run))
    time.sleep(3 * SECONDS)
    assert len(trained(run)) == count < 6


def test_the_status_of_local_runs_names_the_job_of_those_at_work(tmp_path):
    runs = [make_run(tmp_path, seed, 6) for seed in range(3)]
    runner = start_runner(tmp_path)
    wait_for(lambda: all(run.record for run in runs[:2]))
    told = [*tell_status(runs)]
    for run, line in zip(runs[:2], told, strict=False):
        (job,) = run.jobs.glob("*_submitted.pkl")
        assert re.fullmatch(rf"{run}: running, epoch \d of 6, job {job.name.partition('_')[0]}", line)
    assert told[2:] == ["m seed 2: not begun", "0 of 3 runs are complete"]
    os.killpg(runner.pid, signal.SIGKILL)
    runner.wait()
    wait_for(lambda: not any(is_locked(run.folder) for run in runs))
    assert re.fullmatch(r"m seed 0: interrupted, \d of 6 epochs done", next(tell_status(runs)))


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        ([None, None], None),
        ([4, None], 2 * 6 * 11.0 + 2 * 10 * 11.0),  # the other counts as the first
        ([10, 10], 0.0),
    ],
)
def test_time_left_follows_from_the_epochs_so_far(done, expected):
    rows = [
        count and {"status": "running", "epochs": [{"train_seconds": 10.0, "val_seconds": 1.0}] * count}
        for count in done
    ]
    left = jobs.seconds_left(rows, [10, 10], 1)
    assert left == (None if expected is None else expected / 2)


def test_the_last_run_takes_its_own_time_however_many_could_run_beside_it():
    record = {"status": "running", "epochs": [{"train_seconds": 10.0, "val_seconds": None}] * 2}
    assert jobs.seconds_left([record, {"status": "running", "epochs": []}], [2, 4], jobs=8) == 40.0


def test_a_run_that_stopped_early_needs_no_more_time():
    record = {"status": "complete", "epochs": [{"train_seconds": 10.0, "val_seconds": None}] * 2}
    assert jobs.seconds_left([record], [9], jobs=1) == 0.0
