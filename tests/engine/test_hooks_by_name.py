"""Each hook has a name by which it is changed or switched off; those of a user stand beside ours."""

import errno
import os
from pathlib import Path

import mmengine.hooks
import pytest
import torch
from toy_training import HOOKS as OURS
from toy_training import toy_config

from yolo_plugins.errors import UsageError
from yolo_plugins.record import read_record
from yolo_plugins.registry import HOOKS

STOPS_AT_ONCE = [{"type": "EarlyStoppingHook", "monitor": "recall", "rule": "greater", "patience": 1}]  # it is constant


def types(runner):
    return [type(hook).__name__ for hook in runner.hooks]


def record_of(runner):
    return read_record(Path(runner.work_dir, "record.json"))


@pytest.mark.parametrize("name", sorted(set(mmengine.hooks.__all__) - {"Hook"}))
def test_hooks_of_mmengine_are_found_by_their_bare_names(name):
    assert HOOKS.get(name) is getattr(mmengine.hooks, name)


def test_custom_hooks_stand_beside_ours(make_runner):
    added = ["SyncBuffersHook", "EmptyCacheHook", "EarlyStoppingHook", "ProfilerHook"]
    options = {
        "EarlyStoppingHook": {"monitor": "ap50", "rule": "greater"},
        "ProfilerHook": {"by_epoch": False, "profile_times": 1},
    }
    runner = make_runner(max_epochs=1, custom_hooks=[{"type": name, **options.get(name, {})} for name in added])
    assert sorted(types(runner)) == sorted(added + types(make_runner("without")))
    runner.train()
    assert record_of(runner)["status"] == "complete"
    assert "ema_state_dict" in torch.load(f"{runner.work_dir}/epoch_1.pth", weights_only=True)


def test_custom_hooks_leave_the_guard_against_nan_in_place(make_runner):
    loader = toy_config(Path())["train_dataloader"] | {"dataset": {"type": "ToyDataset", "nan_at": 5}}
    with pytest.raises(UsageError, match="'loss_obj' is nan"):
        make_runner(train_dataloader=loader, custom_hooks=STOPS_AT_ONCE).train()


@pytest.mark.parametrize("name", ["param_scheduler", *OURS])
def test_a_hook_is_switched_off_by_its_name(make_runner, name):
    hooks = toy_config(Path())["default_hooks"]
    off = {name: None} | ({"console": None} if name == "record" else {})
    runner = make_runner(max_epochs=1, default_hooks=hooks | off)
    assert {hooks[each]["type"] for each in hooks} - set(types(runner)) == {hooks[each]["type"] for each in off}
    runner.train()
    assert Path(runner.work_dir, "epoch_1.pth").is_file() == (name != "checkpoint")
    assert Path(runner.work_dir, "record.json").is_file() == (name != "record")


def test_the_console_without_its_record_says_what_else_to_switch_off(make_runner):
    hooks = toy_config(Path())["default_hooks"]
    with pytest.raises(UsageError, match=r"default_hooks\.console=None"):
        make_runner(default_hooks=hooks | {"record": None}).train()


def test_options_for_a_name_that_no_config_knows_are_refused(make_runner):
    hooks = toy_config(Path())["default_hooks"]
    with pytest.raises(UsageError, match=r"default_hooks\.chekpoint states no type; did you mean 'checkpoint'\?"):
        make_runner(default_hooks=hooks | {"chekpoint": {"interval": 5}})


def test_what_a_hook_says_of_its_options_is_one_line(make_runner):
    with pytest.raises(UsageError, match=r"^hook EarlyStoppingHook: Cannot infer the rule for ap50.*in the config$"):
        make_runner(custom_hooks=[{"type": "EarlyStoppingHook", "monitor": "ap50"}])


@pytest.mark.parametrize("interval", [1, 3])
def test_an_early_stop_is_complete_and_keeps_its_last_epoch(make_runner, capfd, interval):
    hooks = OURS | {"checkpoint": {"type": "AtomicCheckpointHook", "interval": interval}}
    runner = make_runner(max_epochs=9, hooks=hooks, custom_hooks=STOPS_AT_ONCE)
    runner.train()
    record = record_of(runner)
    assert (record["status"], len(record["epochs"]), record["max_epochs"]) == ("complete", 2, 9)
    assert torch.load(f"{runner.work_dir}/epoch_2.pth", weights_only=True)["meta"]["epoch"] == 2
    assert Path(runner.work_dir, "last_checkpoint").read_text().endswith("epoch_2.pth")
    assert capfd.readouterr().out.splitlines()[-1] == "stopped early, after epoch 2 of 9"


def test_a_run_whose_last_checkpoint_cannot_be_saved_is_not_complete(make_runner, monkeypatch):
    hooks = OURS | {"checkpoint": {"type": "AtomicCheckpointHook", "interval": 3}}
    runner = make_runner(max_epochs=9, hooks=hooks, custom_hooks=STOPS_AT_ONCE)
    real = os.fsync

    def full(descriptor):
        if "epoch_2.pth" in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="disk full"):
        runner.train()
    assert record_of(runner)["status"] == "failed"


def test_an_early_stopped_run_can_be_resumed(make_runner):
    make_runner(max_epochs=4, custom_hooks=STOPS_AT_ONCE).train()
    resumed = make_runner(max_epochs=4, resume=True, allow_changes=True)  # the hook that stopped it is gone
    resumed.train()
    record = record_of(resumed)
    assert (record["status"], len(record["epochs"]), record["resumed_after"]) == ("complete", 4, [2])


@pytest.mark.parametrize(("before", "after"), [("StepEMAHook", None), (None, "StepEMAHook")])
def test_a_run_is_resumed_with_ema_as_it_began(make_runner, before, after):
    for number, hook in ((1, before), (2, after)):
        hooks = OURS | {"ema": hook and {"type": hook}}
        runner = make_runner(max_epochs=number, hooks=hooks, resume=number == 2)
        if number == 1:
            runner.train()
    with pytest.raises(UsageError, match=r"epoch_1\.pth: saved with(out)? EMA.*resume with the same hooks"):
        runner.train()
