"""A stand-in for a training, which writes its record as the real one does, and a study of such in another process."""

import subprocess
import sys
import time
from pathlib import Path

import submitit

from yolo_plugins.study import executors, jobs

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


def run_all(runs: list[jobs.Run], count: int = 2, partition: str = "") -> list[str]:
    jobs._POLL_SECONDS[submitit.SlurmJob] = 0.1
    where = executors.slurm_executors(0, partition, []) if partition else executors.local_executors(count, gpus=0)
    return jobs.run_all(runs, where, count)


def trained(run: jobs.Run) -> list[tuple[int, float, float]]:
    """(epoch, begin, end) of every epoch that was trained."""
    lines = (run.folder / "trained.txt").read_text().splitlines()
    return [(int(epoch), float(begin), float(end)) for epoch, begin, end in map(str.split, lines)]


RUNNER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from stub_training import make_run, run_all
folder, partition = Path(sys.argv[2]), sys.argv[3]
run_all([make_run(folder, seed, 6) for seed in range(2)], partition=partition)
"""


def start_runner(folder: Path, partition: str = "") -> subprocess.Popen:
    """A study of two runs of six epochs, seeds 0 and 1, in a process group of its own."""
    command = [sys.executable, "-c", RUNNER, str(Path(__file__).parent), str(folder), partition]
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)


def wait_for(condition, seconds: float = 60.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.02)
