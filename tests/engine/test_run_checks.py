"""A training that cannot go well is stopped with one line."""

import os

import pytest
import torch
from toy_training import toy_config

from yolo_plugins.engine import StepEMAHook
from yolo_plugins.errors import UsageError


def test_a_nan_loss_names_epoch_iteration_and_term(make_runner):
    loader = {
        "batch_size": 4,
        "num_workers": 0,
        "dataset": {"type": "ToyDataset", "nan_at": 5},
        "sampler": {"type": "DefaultSampler", "shuffle": False},
        "collate_fn": {"type": "default_collate"},
    }
    runner = make_runner(train_dataloader=loader)
    with pytest.raises(UsageError, match=r"'loss_obj' is nan in epoch 1, iteration 2"):
        runner.train()
    assert not [name for name in os.listdir(runner.work_dir) if name.endswith(".pth")]
    ema = next(hook for hook in runner.hooks if isinstance(hook, StepEMAHook))
    assert int(ema.ema_model.steps) == 1  # the first iteration's: nothing of the bad state is averaged


@pytest.mark.parametrize("weights_are_nan", [True, False])
def test_an_error_that_nan_weights_lead_to_says_so(make_runner, monkeypatch, weights_are_nan):
    runner = make_runner()

    def refuse(*args, **kwargs):
        if weights_are_nan:
            torch.nn.init.constant_(runner.model.stem[0].weight, torch.nan)
        raise RuntimeError("all elements of input should be between 0 and 1")

    monkeypatch.setattr(runner.model, "forward", refuse)
    expected = (
        pytest.raises(UsageError, match=r"weights are NaN .* epoch 1 \(all elements of input")
        if weights_are_nan
        else pytest.raises(RuntimeError, match=r"^all elements of input")
    )
    with expected:
        runner.train()


@pytest.mark.parametrize("stage", ["train", "val"])
def test_a_wrong_number_of_classes_is_refused(make_runner, stage):
    runner = make_runner(model={"type": "ToyDetector", "num_classes": 80})
    words = r"model\.bbox_head\.num_classes=80, but ToyDataset has 2 classes \(cat, dog\)"
    with pytest.raises(UsageError, match=words):
        getattr(runner, stage)()


def test_the_test_set_is_checked_too(make_runner):
    loader = toy_config("unused")["val_dataloader"]
    runner = make_runner(
        model={"type": "ToyDetector", "num_classes": 80},
        test_dataloader=loader,
        test_cfg={},
        test_evaluator={"type": "ToyMetric"},
    )
    with pytest.raises(UsageError, match="num_classes=80"):
        runner.test()
