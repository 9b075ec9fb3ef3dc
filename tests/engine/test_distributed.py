"""Two processes on the CPU: one record, equal weights, exact resuming."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from yolo_plugins.record import read_record

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distributed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    paths = os.pathsep.join([str(REPO), str(Path(__file__).parent)])
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    processes = []
    for rank in ("0", "1"):
        environment = os.environ | shared | {"RANK": rank, "LOCAL_RANK": rank, "PYTHONPATH": paths}
        command = [sys.executable, str(Path(__file__).with_name("distributed_training.py")), str(folder)]
        processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
    try:
        outputs = [process.communicate(timeout=120)[0].decode() for process in processes]
    finally:
        for process in processes:  # a rank whose peer has failed waits for it
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], "\n".join(outputs)
    return folder, outputs


def test_rank_0_alone_writes_and_speaks(runs):
    folder, outputs = runs
    record = read_record(folder / "whole" / "record.json")
    assert (record["world_size"], record["total_batch"], record["device"]["count"]) == (2, 4, 1)
    assert [row["images"] for row in record["epochs"]] == [12, 12]
    assert sum("epoch 2/2" in line for output in outputs for line in output.splitlines()) == 2
    assert "epoch" not in outputs[1]


def test_a_resumed_distributed_run_equals_an_uninterrupted_one(runs):
    folder, _ = runs
    whole, resumed = (torch.load(folder / name / "epoch_2.pth", weights_only=True) for name in ("whole", "resumed"))
    pending = torch.load(folder / "whole" / "epoch_1.pth", weights_only=True)["optimizer"]["pending"]
    assert pending["count"] == 1
    for part in ("state_dict", "ema_state_dict"):
        for key, value in whole[part].items():
            assert torch.equal(value, resumed[part][key]), key
    rows = [read_record(folder / name / "record.json")["epochs"][-1] for name in ("whole", "resumed")]
    assert rows[0]["train_loss"] == rows[1]["train_loss"]
    assert rows[0]["scores"] == rows[1]["scores"]
