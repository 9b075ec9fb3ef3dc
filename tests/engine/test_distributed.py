"""Two processes on the CPU: one record, equal weights, exact resuming, and what one process would have done."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from yolo_plugins.record import read_record

REPO = Path(__file__).resolve().parents[2]


def start(folder, data, **environment):
    paths = os.pathsep.join([str(REPO), str(Path(__file__).parent)])
    command = [sys.executable, str(Path(__file__).with_name("distributed_training.py")), str(folder), str(data)]
    variables = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths} | environment
    return subprocess.Popen(command, cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(processes):
    try:
        outputs = [process.communicate(timeout=300)[0].decode() for process in processes]
    finally:
        for process in processes:  # a rank whose peer has failed waits for it
            process.kill()
    assert {process.returncode for process in processes} == {0}, "\n".join(outputs)
    return outputs


@pytest.fixture(scope="module")
def runs(tmp_path_factory, synthetic_voc):
    folder = tmp_path_factory.mktemp("distributed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    finish([start(folder, synthetic_voc)])
    ranks = [start(folder, synthetic_voc, **shared, RANK=rank, LOCAL_RANK=rank) for rank in "01"]
    return folder, finish(ranks)


def load(folder, name):
    return torch.load(folder / name, weights_only=True)


def test_rank_0_alone_writes_and_speaks(runs):
    folder, outputs = runs
    record = read_record(folder / "whole" / "record.json")
    assert (record["world_size"], record["total_batch"], record["device"]["count"]) == (2, 4, 1)
    assert [row["images"] for row in record["epochs"]] == [12, 12]
    assert sum("epoch 2/2" in line for line in outputs[0].splitlines()) == 5
    assert "epoch" not in outputs[1]


def test_a_resumed_distributed_run_equals_an_uninterrupted_one(runs):
    folder, _ = runs
    whole, resumed = (load(folder / name, "epoch_2.pth") for name in ("whole", "resumed"))
    pending = load(folder / "whole", "epoch_1.pth")["optimizer"]["pending"]
    assert pending["count"] == 1
    for part in ("state_dict", "ema_state_dict"):
        for key, value in whole[part].items():
            assert torch.equal(value, resumed[part][key]), key
    rows = [read_record(folder / name / "record.json")["epochs"][-1] for name in ("whole", "resumed")]
    assert rows[0]["train_loss"] == rows[1]["train_loss"]
    assert rows[0]["scores"] == rows[1]["scores"]


def largest_change(folder, name, other):
    """Largest difference of two runs' weights in training, in units of the largest change that training made."""
    ends = [load(folder / each, "epoch_2.pth")["ema_state_dict"] for each in (name, other)]
    begin = load(folder / name, "epoch_1.pth")["ema_state_dict"]
    weights = [key for key in begin if key.startswith("module.") and begin[key].is_floating_point()]
    moved = max(float((ends[0][key] - begin[key]).abs().max()) for key in weights)
    return max(float((ends[0][key] - ends[1][key]).abs().max()) for key in weights) / moved


@pytest.mark.parametrize("other", ["two_objectness", "taken_over"])
def test_two_processes_train_as_one_but_for_the_order_of_sums(runs, other):
    """With frozen norms, and a loss that is a mean over cells, of which every process has as many: 8e-8 of the change.

    A checkpoint with pending gradients lies between; `taken_over` goes on with two processes from that of one.
    """
    folder, _ = runs
    assert load(folder / "two_objectness", "epoch_1.pth")["optimizer"]["pending"]["count"] == 1
    assert largest_change(folder, "one_objectness", other) < 1e-6
    records = [read_record(folder / name / "record.json") for name in ("one_objectness", other)]
    assert [record["total_batch"] for record in records] == [8, 8]
    rates = [[(row["lr"], row["images"]) for row in record["epochs"]] for record in records]
    assert rates[0][-1] == rates[1][-1]
    losses = [record["epochs"][-1]["train_loss"] for record in records]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_means_over_the_objects_of_a_process_differ_from_those_over_all(runs):
    """Box and class terms are means over matched cells; a process with fewer gives each of them more weight.

    On so few and small pictures, that is a quarter of the change after six iterations, and 0.1 % of the first epoch's
    losses.
    """
    folder, _ = runs
    assert 1e-3 < largest_change(folder, "one_all", "two_all") < 0.5
    losses = [read_record(folder / name / "record.json")["epochs"][0]["losses"] for name in ("one_all", "two_all")]
    assert losses[0] == pytest.approx(losses[1], rel=0.01)


@pytest.mark.parametrize("batch_size", [3, 8])  # of eight pictures: three batches; one, and a rank without any
def test_two_processes_evaluate_rectangles_as_one_to_the_last_digit(runs, batch_size):
    folder, _ = runs
    one, two = (load(folder, f"{number}_rectangles_{batch_size}.pt") for number in ("one", "two"))
    two.sort(key=lambda image: image[0])
    assert [index for index, *_ in one] == [index for index, *_ in two] == list(range(8))
    assert sum(len(scores) for *_, scores in one) > 100
    for (_, *expected), (_, *found) in zip(one, two, strict=True):
        assert all(map(torch.equal, expected, found))


def test_nothing_is_left_in_the_current_folder(runs):
    folder, _ = runs
    assert not (folder / ".dist_test").exists()
