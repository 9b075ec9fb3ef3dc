"""Where jobs run: the GPUs of this machine in turn, or Slurm."""

import pytest

from yolo_plugins.errors import UsageError
from yolo_plugins.study import executors


def test_jobs_take_the_gpus_in_turn(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    slots = executors.local_executors(3, 1)
    assert [slots(tmp_path, slot).parameters["visible_gpus"] for slot in range(3)] == [[2], [5], [2]]
    assert executors.local_executors(1, 2)(tmp_path, 0).parameters["visible_gpus"] == [2, 5]
    assert executors.local_executors(2, 0)(tmp_path, 1).parameters["visible_gpus"] == []


def test_a_run_on_more_gpus_than_there_are_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    with pytest.raises(UsageError, match=r"--gpus 3: this machine has 2"):
        executors.local_executors(1, 3)


def test_slurm_needs_slurm(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="no command srun: run this on a login node"):
        executors.slurm_executors(1, "all", [])


@pytest.mark.parametrize("option", ["time", "time=", "=3", ""])
def test_a_slurm_option_without_its_value_is_refused(option):
    with pytest.raises(UsageError, match=r"--slurm-options .* is not KEY=VALUE; write for example time=1440"):
        executors.slurm_executors(1, "all", [option])
