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


SCHEDULES = {
    "linear": {"final": 0.0, **WARMUP},
    "cosine": {"final": 0.1, **WARMUP, "warmup_min_iters": 400},  # longer than three epochs
    "one_cycle": {},
}


def resumed(hook_options, hub, epoch, **changes):
    """A hook that begins after so many epochs of a run that kept `hub`, on a runner of another size."""
    hook, runner = ScheduleHook(**hook_options), fake_runner(**changes)
    runner.epoch, runner.message_hub = epoch, hub
    runner.rescaled = []
    runner.optim_wrapper.rescale_pending = runner.rescaled.append
    hook.before_train(runner)
    return hook, runner


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("iters", [30, 27, 15, 60, 61, 120, 1])
def test_rates_depend_on_the_place_alone_whatever_the_iterations_of_an_epoch(schedule, iters):
    options = {"schedule": schedule, **SCHEDULES[schedule]}
    whole, runner = started(ScheduleHook(**options), batch_size=8, iters_per_epoch=60, max_epochs=20)
    other, resized = resumed(options, runner.message_hub, 3, batch_size=16, iters_per_epoch=iters, max_epochs=20)
    for epoch in range(3, 20):
        rates = [settings(whole, runner, epoch * 60 + batch) for batch in range(60)]
        for batch in range(iters):
            found = settings(other, resized, epoch * iters + batch)
            assert min(found.lr, found.bias_lr) >= 0
            done = (batch + 1) * 60 / iters  # of this epoch, when the iteration ends
            if done == int(done):
                expected = rates[int(done) - 1]
                assert (found.lr, found.bias_lr, found.momentum) == (expected.lr, expected.bias_lr, expected.momentum)


def test_the_number_of_images_decides_on_accumulation_after_it_has_changed():
    options = {"schedule": "linear", "final": 0.01, **WARMUP}
    _, runner = started(ScheduleHook(**options), batch_size=16, iters_per_epoch=100)
    hook, resized = resumed(options, runner.message_hub, 10, batch_size=32, iters_per_epoch=50)
    assert resized.rescaled == [16 / 32]  # what waits for a step counts as half as many iterations
    assert settings(hook, resized, 500).accumulate == 2
    assert settings(hook, resized, 500).weight_decay == pytest.approx(5e-4)


def test_a_run_whose_epochs_changed_twice_goes_by_the_first_of_them():
    options = {"schedule": "one_cycle"}
    whole, runner = started(ScheduleHook(**options), iters_per_epoch=60, max_epochs=10)
    resumed(options, runner.message_hub, 3, iters_per_epoch=20, max_epochs=10)
    again, back = resumed(options, runner.message_hub, 5, iters_per_epoch=60, max_epochs=10)
    assert [settings(again, back, 310)] == [settings(whole, runner, 310)]


def test_a_loop_without_epochs_is_refused(make_runner):
    with pytest.raises(UsageError, match="train_cfg: ScheduleHook counts epochs"):
        make_runner(train_cfg={"by_epoch": False, "max_iters": 9, "val_interval": 9}).train()


@pytest.mark.parametrize(
    "options",
    [
        {"schedule": "linear", "final": -0.1},
        {"schedule": "cosine", "final": float("nan")},
        {"schedule": "cosine", "final": "0.1"},
        {"schedule": "one_cycle", "peak": float("inf")},
        {"schedule": "one_cycle", "rise": 1.5},
        {"schedule": "one_cycle", "nominal_batch_size": 0},
        {"schedule": "linear", "final": 0.1, **WARMUP, "warmup_bias_lr": -1},
    ],
)
def test_a_value_that_would_lead_below_zero_is_refused(options):
    with pytest.raises(UsageError, match=r"ScheduleHook: \w+=.*: give a number (from 0|of at least)"):
        ScheduleHook(**options)


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
