"""Jobs, with a stand-in for the training: it writes its record as the real one does, five epochs a second."""

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from yolo_plugins.errors import UsageError
from yolo_plugins.study import jobs

EXAMPLE = str(Path(__file__).parent / "record.json")  # whose other fields the stand-in writes
SECONDS = 0.2  # of an epoch
# Arguments: folder, epochs, how it goes. `trained.txt` lists every epoch that was trained, by whom and when.
TRAINING = f"""
import json, os, pathlib, signal, sys, time
folder, epochs, manner = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
path = folder / "record.json"
record = json.loads(pathlib.Path({EXAMPLE!r}).read_text()) | dict(status="running", epochs=[])
if path.is_file():
    record = json.loads(path.read_text())
if manner == "fails":
    print("error: the disk is full", file=sys.stderr)
    sys.exit(1)
if manner == "crashes":
    raise RuntimeError("all elements of input should be between 0 and 1")
while record["status"] != "complete":
    epoch = len(record["epochs"]) + 1
    begin = time.time()
    time.sleep({SECONDS})
    with open(folder / "trained.txt", "a") as log:
        print(epoch, begin, time.time(), file=log)
    row = dict(epoch=epoch, train_seconds={SECONDS}, val_seconds=None, scores=dict(ap50=0.5))
    record["epochs"].append(json.loads(pathlib.Path({EXAMPLE!r}).read_text())["epochs"][0] | row)
    record["status"] = "complete" if epoch == epochs else "running"
    path.with_suffix(".new").write_text(json.dumps(record))
    path.with_suffix(".new").replace(path)
    if manner == "dies" and epoch < epochs:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def make_run(folder: Path, seed: int = 0, epochs: int = 3, manner: str = "works") -> jobs.Run:
    work_dir = folder / f"m_seed{seed}"
    command = (sys.executable, "-c", TRAINING, str(work_dir), str(epochs), manner)
    return jobs.Run("m", seed, work_dir, epochs, "sha", command)


def run_all(folder: Path, runs: list[jobs.Run], count: int = 2) -> list[str]:
    return jobs.run_all(runs, jobs.local_executors(folder / "jobs", count, gpus=0), count)


def trained(run: jobs.Run) -> list[tuple[int, float, float]]:
    """(epoch, begin, end) of every epoch that was trained."""
    lines = (run.folder / "trained.txt").read_text().splitlines()
    return [(int(epoch), float(begin), float(end)) for epoch, begin, end in map(str.split, lines)]


def test_every_run_is_trained_and_never_more_at_a_time_than_asked(tmp_path, capsys):
    runs = [make_run(tmp_path, seed) for seed in range(4)]
    assert run_all(tmp_path, runs, count=2) == []
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
        assert run_all(tmp_path, runs) == []
    assert [epoch for epoch, _, _ in trained(runs[0])] == [1, 2, 3]


def test_a_training_that_is_killed_after_each_epoch_is_continued_to_its_end(tmp_path):
    run = make_run(tmp_path, manner="dies")
    assert run_all(tmp_path, [run]) == []
    assert [epoch for epoch, _, _ in trained(run)] == [1, 2, 3]


def test_a_failure_is_reported_in_its_own_words_and_stops_no_other_run(tmp_path):
    runs = [make_run(tmp_path, 0, manner="fails"), make_run(tmp_path, 1)]
    (failure,) = run_all(tmp_path, runs)
    assert failure.startswith("m seed 0: failed (error: the disk is full); log: ")
    assert Path(failure.rpartition("log: ")[2]).is_file()
    assert runs[1].is_complete


def test_a_crash_is_reported_in_its_last_line(tmp_path):
    (failure,) = run_all(tmp_path, [make_run(tmp_path, manner="crashes")])
    assert failure.startswith("m seed 0: failed (RuntimeError: all elements of input should be between 0 and 1); log: ")


RUNNER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_jobs
folder = Path(sys.argv[2])
test_jobs.run_all(folder, [test_jobs.make_run(folder, seed, 6) for seed in range(2)])
"""


def start_runner(folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-c", RUNNER, str(Path(__file__).parent), str(folder)]
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)


def wait_for(condition, seconds: float = 60.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.02)


def test_a_killed_runner_leaves_no_epoch_out_and_none_twice(tmp_path):
    runs = [make_run(tmp_path, seed, 6) for seed in range(2)]
    for moment in (1, 3):
        runner = start_runner(tmp_path)
        wait_for(lambda moment=moment: runs[0].record and len(runs[0].record["epochs"]) >= moment)
        runner.kill()  # its trainings live on, and hold their folders
        runner.wait()
    assert run_all(tmp_path, runs) == []
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


def test_jobs_take_the_gpus_in_turn(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    slots = jobs.local_executors(tmp_path, 3, 1)
    assert [slots(slot).parameters["visible_gpus"] for slot in range(3)] == [[2], [5], [2]]
    assert jobs.local_executors(tmp_path, 1, 2)(0).parameters["visible_gpus"] == [2, 5]
    assert jobs.local_executors(tmp_path, 2, 0)(1).parameters["visible_gpus"] == []


def test_a_run_on_more_gpus_than_there_are_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    with pytest.raises(UsageError, match=r"--gpus 3: this machine has 2"):
        jobs.local_executors(tmp_path, 1, 3)


def test_slurm_needs_slurm(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="no command srun: run this on a login node"):
        jobs.slurm_executors(tmp_path, 1, "all", [])
