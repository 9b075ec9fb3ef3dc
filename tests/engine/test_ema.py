"""The average over optimizer steps, its start, its buffers, and its way through a checkpoint."""

import copy
import json
import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from yolo_plugins.engine.ema import RampedEMA, StepEMAHook, ema_decay
from yolo_plugins.record import read_record


def test_decay_equals_the_reference(golden_dir):
    values = json.loads((golden_dir / "loss_oracle.json").read_text())["misc"]["ema_decay(updates)"]
    for update, decay in values.items():
        assert ema_decay(int(update)) == pytest.approx(decay, rel=1e-5)


def changed(model, by=1.0):
    other = copy.deepcopy(model)
    with torch.no_grad():
        for value in other.parameters():
            value.add_(by)
        other[1].running_mean.add_(by)
        other[1].num_batches_tracked.add_(7)
    return other


def test_first_update_averages_like_every_other():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    ema = RampedEMA(model)
    ema.update_parameters(changed(model))
    share = 0.9999 * (1 - math.exp(-1 / 2000))
    torch.testing.assert_close(ema.module[0].weight, model[0].weight + (1 - share))
    torch.testing.assert_close(ema.module[1].running_mean, torch.full((2,), 1 - share))
    assert int(ema.module[1].num_batches_tracked) == 7


def test_many_updates_equal_the_recursion():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    ema, expected = RampedEMA(model, decay=0.9, ramp=5), model[0].weight.detach().double().clone()
    for update in range(1, 20):
        source = changed(model, by=update)
        ema.update_parameters(source)
        share = 0.9 * (1 - math.exp(-update / 5))
        expected = share * expected + (1 - share) * source[0].weight.detach().double()
    torch.testing.assert_close(ema.module[0].weight.double(), expected, rtol=1e-6, atol=1e-6)


def test_a_shared_weight_is_averaged_once():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    ema = RampedEMA(model, decay=0.5, ramp=1e-9)
    source = copy.deepcopy(model)
    with torch.no_grad():
        source[0].weight.add_(1)
    ema.update_parameters(source)
    torch.testing.assert_close(ema.module[0].weight, model[0].weight + 0.5)


def test_average_starts_from_the_initialised_weights_and_follows_steps(make_runner):
    runner = make_runner(max_epochs=1)
    hook = next(hook for hook in runner.hooks if type(hook).__name__ == "StepEMAHook")
    updates = []

    class Spy(type(hook)):
        def before_train(self, runner):
            with torch.no_grad():
                for value in runner.model.parameters():
                    value.add_(1)  # as a late init_weights() does
            super().before_train(runner)
            for average, value in zip(self.ema_model.module.parameters(), runner.model.parameters(), strict=True):
                assert torch.equal(average, value)

        def after_train_iter(self, runner, *args, **kwargs):
            super().after_train_iter(runner, *args, **kwargs)
            updates.append(int(self.ema_model.steps))

    hook.__class__ = Spy
    runner.train()
    assert updates == [1, 2, 2]  # accumulation rises 1, 1.33, 1.67: the third iteration does not step


def test_checkpoint_holds_the_average_and_evaluation_uses_it(make_runner):
    runner = make_runner(max_epochs=2)
    hook = next(hook for hook in runner.hooks if type(hook).__name__ == "StepEMAHook")
    runner.train()
    checkpoint = torch.load(f"{runner.work_dir}/epoch_2.pth", weights_only=True)
    for key, value in hook.ema_model.module.state_dict().items():
        assert torch.equal(checkpoint["state_dict"][key], value)
    for key, value in runner.model.state_dict().items():
        assert torch.equal(checkpoint["ema_state_dict"][f"module.{key}"], value)
    scores = [epoch["scores"]["ap50"] for epoch in read_record(f"{runner.work_dir}/record.json")["epochs"]]

    tested = make_runner("test", load_from=f"{runner.work_dir}/epoch_2.pth")
    assert tested.val()["ap50"] == pytest.approx(scores[-1], rel=1e-6)
    assert tested.val()["ap50"] == pytest.approx(scores[-1], rel=1e-6)  # swapping back and forth loses nothing


def test_buffers_that_no_checkpoint_holds_go_with_the_model_into_the_average():
    model, hook = nn.BatchNorm1d(2), StepEMAHook()
    model.register_buffer("anchors", torch.zeros(2), persistent=False)
    hook.src_model, hook.ema_model = model, RampedEMA(model)
    model.anchors += 1
    hook.after_load_checkpoint(SimpleNamespace(_resume=False), {"state_dict": model.state_dict()})
    assert torch.equal(hook.ema_model.module.anchors, torch.ones(2))
