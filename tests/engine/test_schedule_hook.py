"""The hook writes the closed forms into the optimizer, and refuses what it does not understand."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MessageHub

from yolo_plugins.engine import ScheduleHook
from yolo_plugins.errors import UsageError

WARMUP = {"warmup_epochs": 3, "warmup_min_iters": 100, "warmup_bias_lr": 0.1, "warmup_momentum": 0.8}


def fake_runner(batch_size=32, world_size=1, iters_per_epoch=54, max_epochs=200):
    def parameter():
        return [torch.nn.Parameter(torch.zeros(1))]

    groups = [{"params": parameter(), "kind": kind} for kind in ("decay", "no_decay", "bias")]
    for group in groups[1:]:
        group["weight_decay"] = 0.0
    optimizer = torch.optim.SGD(groups, lr=0.01, momentum=0.937, weight_decay=5e-4, nesterov=True)
    loader = torch.utils.data.DataLoader(range(iters_per_epoch * batch_size), batch_size=batch_size)
    return SimpleNamespace(
        optim_wrapper=SimpleNamespace(optimizer=optimizer, accumulate=None),
        train_dataloader=loader,
        world_size=world_size,
        max_epochs=max_epochs,
        epoch=0,
        message_hub=MessageHub("toy"),
        train_loop=None,
        param_schedulers=None,
    )


def settings(hook, runner, iteration):
    runner.epoch, batch_idx = divmod(iteration, len(runner.train_dataloader))
    hook.before_train_iter(runner, batch_idx)
    decay, no_decay, bias = runner.optim_wrapper.optimizer.param_groups
    assert decay["lr"] == no_decay["lr"]
    assert no_decay["weight_decay"] == bias["weight_decay"] == 0
    return SimpleNamespace(
        lr=decay["lr"],
        bias_lr=bias["lr"],
        momentum=bias["momentum"],
        weight_decay=decay["weight_decay"],
        accumulate=runner.optim_wrapper.accumulate,
    )


def started(hook, **changes):
    runner = fake_runner(**changes)
    hook.before_train(runner)
    return hook, runner


def test_warmup_starts_and_ends_as_the_reference_does():
    hook, runner = started(ScheduleHook("linear", final=0.01, **WARMUP))
    first, middle, last = (settings(hook, runner, iteration) for iteration in (0, 81, 162))
    assert (first.lr, first.bias_lr, first.momentum, first.accumulate) == (0.0, 0.1, 0.8, 1)
    target = 0.01 * hook.factor(1)  # epoch 1: the ramp aims at the scheduled rate of its own epoch
    assert middle.lr == pytest.approx(target / 2)
    assert middle.bias_lr == pytest.approx((0.1 + target) / 2)
    assert middle.momentum == pytest.approx((0.8 + 0.937) / 2)
    assert last.lr == last.bias_lr == 0.01 * (1 - 3 / 200 * 0.99)
    assert (last.momentum, last.accumulate) == (0.937, 2)


def test_rate_is_constant_within_an_epoch():
    hook, runner = started(ScheduleHook("cosine", final=0.1, **WARMUP))
    rates = {settings(hook, runner, iteration).lr for iteration in range(540, 594)}
    assert len(rates) == 1
    assert settings(hook, runner, 594).lr < rates.pop()


def test_one_cycle_changes_every_iteration_and_leaves_momentum_alone():
    hook, runner = started(ScheduleHook("one_cycle", peak=10.0, rise=0.3, final=1e-4), max_epochs=10)
    values = [settings(hook, runner, iteration) for iteration in range(540)]
    assert values[0].lr == pytest.approx(0.01)
    assert max(value.lr for value in values) == pytest.approx(0.1, rel=1e-4)
    assert values[-1].lr == pytest.approx(1e-6)
    assert {value.momentum for value in values} == {0.937}
    assert {value.accumulate for value in values} == {2}


@pytest.mark.parametrize(
    ("batch_size", "world_size", "accumulate", "decay"),
    [(32, 1, 2, 5e-4), (16, 2, 2, 5e-4), (24, 1, 3, 5e-4 * 72 / 64), (128, 1, 1, 1e-3), (32, 8, 1, 2e-3)],
)
def test_decay_and_accumulation_follow_the_total_batch(batch_size, world_size, accumulate, decay):
    hook, runner = started(
        ScheduleHook("linear", final=0.01, **WARMUP), batch_size=batch_size, world_size=world_size, iters_per_epoch=10
    )
    assert settings(hook, runner, 1000).accumulate == accumulate
    assert settings(hook, runner, 1000).weight_decay == pytest.approx(decay)
    assert settings(hook, runner, 0).weight_decay == pytest.approx(decay)  # not reduced while warming up


def test_a_resumed_optimizer_is_not_scaled_again():
    hook, runner = started(ScheduleHook("linear", final=0.01, **WARMUP), batch_size=128, iters_per_epoch=10)
    before = settings(hook, runner, 500)
    again = fake_runner(batch_size=128, iters_per_epoch=10)
    again.optim_wrapper.optimizer.load_state_dict(runner.optim_wrapper.optimizer.state_dict())
    hook.before_train(again)
    assert settings(hook, again, 500) == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"schedule": "sine"}, "unknown schedule 'sine'"),
        ({"schedule": "one_cycle", **WARMUP}, "rises by itself"),
        ({"schedule": "linear", "final": 0.1, "warmup_epochs": 3}, "all four"),
        ({"schedule": "linear"}, "final"),
        ({"schedule": "cosine", "final": 0.1, "peak": 10}, "peak"),
    ],
)
def test_a_wrong_option_is_refused(options, words):
    with pytest.raises(UsageError, match=words):
        ScheduleHook(**options)


def test_schedulers_that_nothing_would_step_are_refused(make_runner):
    with pytest.raises(UsageError, match=r"type='ParamSchedulerHook'"):
        make_runner(param_scheduler={"type": "StepLR", "step_size": 1}).train()


def test_an_optimizer_without_our_groups_is_refused(make_runner):
    optimizer = {"type": "SGD", "lr": 0.01}
    with pytest.raises(UsageError, match="YOLOOptimWrapperConstructor"):
        make_runner(optim_wrapper={"type": "OptimWrapper", "optimizer": optimizer}).train()
