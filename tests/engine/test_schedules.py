"""The closed forms against the reference's numbers and PyTorch's own scheduler."""

import json

import pytest
import torch

from yolo_plugins.engine import schedules


@pytest.fixture(scope="module")
def oracle(golden_dir):
    return json.loads((golden_dir / "loss_oracle.json").read_text())["misc"]


def test_cosine_equals_the_reference(oracle):
    for epoch, lr in oracle["lr_cos_v60_lr0.01_lrf0.1_E200(epoch)"].items():
        assert 0.01 * schedules.cosine(int(epoch), 200, 0.1) == pytest.approx(lr, rel=1e-5)


def test_linear_equals_the_reference(oracle):
    for epoch, lr in oracle["lr_lin_v61+_lr0.01_lrf0.01_E200(epoch)"].items():
        assert 0.01 * schedules.linear(int(epoch), 200, 0.01) == pytest.approx(lr, rel=1e-5)


@pytest.mark.parametrize("total", [4, 10, 97, 1000])
def test_one_cycle_equals_pytorch(total):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.1, total_steps=total, pct_start=0.3, div_factor=10, cycle_momentum=False
    )
    for iteration in range(total):
        assert 0.01 * schedules.one_cycle(iteration, total) == pytest.approx(reference.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        if iteration < total - 1:
            reference.step()


def test_one_cycle_of_few_iterations_stays_between_its_ends():
    for total in (1, 2, 3):
        for iteration in range(total):
            assert 1e-4 <= schedules.one_cycle(iteration, total) <= 10


def test_ramp_is_linear_and_then_constant():
    assert [schedules.ramp(i, 4, 0.0, 8.0) for i in range(6)] == [0, 2, 4, 6, 8, 8]
    assert schedules.ramp(0, 0, 0.0, 8.0) == 8  # no warm-up


def test_warmup_has_a_floor_in_iterations():
    assert schedules.warmup_iterations(3, 100, 54) == 162
    assert schedules.warmup_iterations(3, 100, 10) == 100


def test_accumulation_rises_to_the_nominal_batch():
    assert [schedules.accumulation(i, 100, 64, 32) for i in (0, 49, 50, 51, 100, 1000)] == [1, 1, 2, 2, 2, 2]
    assert schedules.accumulation(0, 0, 64, 16) == 4


def test_accumulation_is_at_least_one():
    assert {schedules.accumulation(i, 100, 64, 256) for i in range(0, 200, 10)} == {1}
