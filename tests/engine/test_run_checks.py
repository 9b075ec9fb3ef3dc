"""A training that cannot go well is stopped with one line."""

import os
import re

import pytest
import torch
from torch import nn
from toy_training import ToyDetector, toy_config

from yolo_plugins.engine import StepEMAHook
from yolo_plugins.engine.runner import _check_epoch
from yolo_plugins.errors import UsageError
from yolo_plugins.models.layers import Freezable
from yolo_plugins.registry import MODELS


@MODELS.register_module()
class PooledDetector(ToyDetector):
    """Its second norm sees one value a channel of a picture."""

    def __init__(self, norm: type = nn.BatchNorm2d, norm_eval: bool = False) -> None:
        super().__init__()
        self.norm_eval = norm_eval
        self.stem.append(nn.Sequential(nn.AdaptiveAvgPool2d(1), norm(4)))

    def train(self, mode: bool = True):
        super().train(mode)
        if self.norm_eval:
            self.stem[3][1].eval()
        return self


def loader(**changes) -> dict:
    dataset = {"type": "ToyDataset", "length": changes.pop("length", 12)}
    return toy_config("unused")["train_dataloader"] | {"dataset": dataset} | changes


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


def test_fewer_pictures_than_a_batch_are_refused_before_anything_else(make_runner):
    runner = make_runner(train_dataloader=loader(batch_size=64, drop_last=True))
    words = r"^12 pictures make no batch of 64 \(drop_last=True\): lower train_dataloader\.batch_size or set .*=False$"
    with pytest.raises(UsageError, match=words):
        runner.train()


def test_fewer_pictures_than_a_batch_train_where_it_is_kept(make_runner):
    make_runner(train_dataloader=loader(batch_size=64), max_epochs=1).train()


def test_fewer_pictures_than_processes_are_refused():
    built = torch.utils.data.DataLoader([1, 2, 3], batch_size=1)
    with pytest.raises(UsageError, match="3 pictures to train on are too few for 4 processes; start fewer"):
        _check_epoch(built, 4)
    _check_epoch(built, 3)


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [({"length": 9}, "set train_dataloader.drop_last=True"), ({"batch_size": 1}, "raise train_dataloader.batch_size")],
)
def test_a_batch_of_one_that_a_batch_norm_cannot_take_is_refused(make_runner, changes, remedy):
    runner = make_runner(model={"type": "PooledDetector"}, train_dataloader=loader(**changes))
    with pytest.raises(UsageError, match=rf"a single picture, at which 1 batch norms \(stem\.3\.1\) .* fail: {remedy}"):
        runner.train()


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        ({"type": "ToyDetector"}, {"length": 9}),  # its only norm sees 6 x 6 values
        ({"type": "ToyDetector"}, {"length": 3, "batch_size": 1}),
        ({"type": "PooledDetector"}, {"length": 9, "drop_last": True}),
        ({"type": "PooledDetector"}, {"length": 10}),
        ({"type": "PooledDetector", "norm_eval": True}, {"length": 9}),
        ({"type": "PooledDetector", "norm": nn.Identity}, {"length": 9}),
    ],
)
def test_batches_that_work_are_not_refused(make_runner, model, changes):
    make_runner(model=model, train_dataloader=loader(**changes), max_epochs=1).train()


@pytest.mark.parametrize("option", [{"freeze": "backbone"}, {"freeze": 0}, {"norm_eval": True}])
def test_nothing_random_is_kept_as_it_is(make_runner, option, tmp_path):
    MODELS.register_module(name="ToyKeeper", module=ToyKeeper, force=True)
    model, (key, value) = {"type": "ToyKeeper", **option}, next(iter(option.items()))
    off = re.escape(f"--cfg-options model.{key}={'None' if key == 'freeze' else 'False'}")
    with pytest.raises(UsageError, match=rf"^model.{key}={value!r} keeps what .* by --weights FILE, .* {off}$"):
        make_runner("random", model=model, max_epochs=1).train()
    torch.save({"state_dict": ToyKeeper().state_dict()}, tmp_path / "weights.pth")
    make_runner("kept", model=model, max_epochs=1, load_from=str(tmp_path / "weights.pth")).train()
    make_runner("off", model={"type": "ToyKeeper", "freeze": None, "norm_eval": False}, max_epochs=1).train()


class ToyKeeper(Freezable, ToyDetector):
    def __init__(self, freeze=None, norm_eval=False) -> None:
        super().__init__()
