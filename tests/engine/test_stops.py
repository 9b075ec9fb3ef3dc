"""A training that is told to stop says so in its record, whoever tells it and however often."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
TRAINING = """
import sys
from pathlib import Path
import mmengine.runner.runner
from toy_training import toy_config
from yolo_plugins.cli import one_line_errors
from yolo_plugins.engine import YOLORunner, run_record_hook

mmengine.runner.runner.collect_env = dict
run_record_hook._complexity = lambda model, input_hw: {}
with one_line_errors():
    config = toy_config(Path(sys.argv[1]), max_epochs=int(sys.argv[2]))
    workers = {"num_workers": 2, "persistent_workers": True}
    config["train_dataloader"] = config["train_dataloader"] | workers
    config["val_dataloader"] = config["val_dataloader"] | workers
    YOLORunner.from_cfg(config).train()
"""


@contextmanager
def training(folder: Path, epochs: int, before: Callable | None = None) -> Iterator[subprocess.Popen]:
    """A training in a process group of its own, after its second epoch."""
    paths = os.pathsep.join([str(REPO), str(Path(__file__).parent)])
    with subprocess.Popen(
        [sys.executable, "-c", TRAINING, str(folder), str(epochs)],
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=before,
    ) as process:
        try:
            for line in process.stdout:
                if line.startswith("epoch") and line.split()[1].startswith("2/"):
                    break
            yield process
        finally:
            process.kill()


def ignore_hangups() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


@pytest.mark.parametrize(
    ("kill", "number"), [(os.kill, signal.SIGTERM), (os.killpg, signal.SIGTERM), (os.killpg, signal.SIGHUP)]
)
def test_a_signal_ends_a_training_as_interrupted(tmp_path, kill, number):
    with training(tmp_path, 10**6) as process:
        kill(process.pid, number)
        output = process.communicate(timeout=60)[0]
    assert process.returncode == 128 + number, output
    assert output.endswith("interrupted\n")
    assert "Traceback" not in output
    assert json.loads((tmp_path / "record.json").read_text())["status"] == "interrupted"
    assert not list(tmp_path.glob(".*.tmp"))


def test_the_same_signal_twice_leaves_the_record_whole(tmp_path):
    with training(tmp_path, 10**6) as process:
        for _ in range(5):
            os.killpg(process.pid, signal.SIGHUP)
        output = process.communicate(timeout=60)[0]
    assert json.loads((tmp_path / "record.json").read_text())["status"] == "interrupted", output


def test_a_training_that_ignores_hangups_goes_on(tmp_path):
    with training(tmp_path, 4, before=ignore_hangups) as process:
        os.killpg(process.pid, signal.SIGHUP)
        output = process.communicate(timeout=60)[0]
    assert process.returncode == 0, output
    assert json.loads((tmp_path / "record.json").read_text())["status"] == "complete"
