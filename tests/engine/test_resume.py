"""A checkpoint that a run cannot go on from exactly is refused in one line; another size of the run changes no rate."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from toy_training import toy_config

from yolo_plugins.errors import UsageError


@pytest.fixture
def saved(make_runner, tmp_path):
    """A checkpoint after the first epoch of three."""
    make_runner("saved", max_epochs=1).train()
    return tmp_path / "saved" / "epoch_1.pth"


def put(value, *keys):
    """Something that puts a value at a place of a checkpoint, or takes out what is there."""

    def change(content):
        *parents, last = keys
        for key in parents:
            content = content[key]
        content.pop(last) if value is KeyError else content.update({last: value})

    return change


def spoil_momentum(content):
    next(iter(content["optimizer"]["state"].values()))["momentum_buffer"].fill_(torch.nan)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put(-5, "meta", "epoch"), r"meta\.epoch=-5 is no number of epochs"),
        (put(0, "meta", "epoch"), r"meta\.epoch=0 is no number of epochs"),
        (put("x", "meta", "epoch"), r"meta\.epoch='x' is no number"),
        (put(1e9, "meta", "epoch"), r"meta\.epoch=1000000000\.0 is no number"),
        (put(10**9, "meta", "epoch"), r"1000000000 epochs are done, but train_cfg\.max_epochs=3: give"),
        (put(4, "meta", "epoch"), r"4 epochs are done, but train_cfg\.max_epochs=3: give 4 or more"),
        (put(None, "meta", "epoch"), r"meta\.epoch=None is no number"),
        (put(True, "meta", "epoch"), r"meta\.epoch=True is no number"),
        (put(KeyError, "meta", "epoch"), r"meta\.epoch=None is no number"),
        (put(None, "meta"), "meta is None, no state to resume from"),
        (put(KeyError, "meta"), "meta is None, no state to resume from"),
        (put("x", "meta", "seed"), r"meta\.seed='x' is no seed"),
        (put(2**40, "meta", "seed"), r"meta\.seed=1099511627776 is no seed"),
        (put(KeyError, "meta", "seed"), r"meta\.seed=None is no seed"),
        (put(7, "meta", "seed"), "of a run with seed 7, but this one's is 0: resume with --seed 7, or start"),
        (spoil_momentum, "the optimizer's state holds NaN or infinite numbers"),
        (put(None, "optimizer"), "optimizer is None, no state to resume from"),
        (put(KeyError, "optimizer"), "holds weights only"),
        (put({}, "optimizer"), "cannot be resumed from"),
        (put(KeyError, "optimizer", "param_groups"), "cannot be resumed from"),
        (put([], "optimizer", "param_groups"), r"cannot be resumed from \(.*parameter group"),
        (put("x", "optimizer", "state"), "cannot be resumed from"),
        (put(None, "optimizer", "pending"), "cannot be resumed from"),
        (put([1, 2], "message_hub"), "message_hub is .*, no state"),
        (put("x", "message_hub", "runtime_info"), "runtime_info is 'x', not what hooks keep"),
        (put("x", "message_hub", "runtime_info", "best_score"), "best_score in message_hub is 'x', not a number"),
        (put(3, "message_hub", "runtime_info", "best_ckpt"), "best_ckpt in message_hub is 3, not a path"),
        (put([1, "y"], "message_hub", "runtime_info", "keep_ckpt_ids"), "not a list of epochs"),
        (put({"total_batch": 0}, "message_hub", "runtime_info", "schedule"), "not the iterations of an epoch"),
        (put(KeyError, "ema_state_dict"), "saved without EMA"),
        (put({}, "ema_state_dict"), "cannot be resumed from"),
        (put("x", "ema_state_dict"), "cannot be resumed from"),
    ],
)
def test_what_cannot_be_resumed_from_is_one_line_with_the_file(make_runner, saved, change, words):
    content = torch.load(saved, weights_only=True)
    change(content)
    torch.save(content, saved)
    with pytest.raises(UsageError, match=rf"^\S*epoch_1\.pth: .*{words}") as caught:
        make_runner("again", load_from=str(saved), resume=True, allow_changes=True).train()
    assert "\n" not in str(caught.value)
    assert not Path(make_runner("again").work_dir, "record.json").exists()


def test_a_checkpoint_with_an_average_is_refused_where_none_is_kept(make_runner, saved):
    with pytest.raises(UsageError, match=r"epoch_1\.pth: saved with EMA, which default_hooks\.ema switches off"):
        make_runner("again", load_from=str(saved), resume=True, allow_changes=True, hooks={}).train()


@pytest.mark.parametrize(
    "change",
    [put(KeyError, "meta", "iter"), put("x", "meta", "iter"), put(77, "meta", "iter")]
    + [put(value, "message_hub", "resumed_keys") for value in ("x", {"epoch": False}, KeyError)]
    + [put(3, "message_hub", "log_scalars")],
)
def test_what_follows_from_the_epoch_is_not_taken_from_the_file(make_runner, saved, tmp_path, change):
    make_runner("whole").train()
    content = torch.load(saved, weights_only=True)
    content["meta"]["epoch"] = 1
    change(content)
    torch.save(content, saved)
    resumed = make_runner("again", load_from=str(saved), resume=True, allow_changes=True)
    resumed.train()
    assert (resumed.iter, resumed.epoch) == (9, 3)


def test_a_damaged_checkpoint_is_refused_with_the_name_of_the_sound_one_beside_it(make_runner, tmp_path):
    make_runner("run", max_epochs=2).train()
    newest = tmp_path / "run" / "epoch_2.pth"
    newest.write_bytes(newest.read_bytes()[:-999])
    with pytest.raises(UsageError, match=r"epoch_2\.pth: truncated .*; \S*epoch_1\.pth is sound$"):
        make_runner("other", load_from=str(newest), resume=True, allow_changes=True).train()


def test_resume_alone_goes_on_from_the_newest_sound_checkpoint(make_runner, tmp_path, capfd):
    make_runner("whole", max_epochs=3).train()
    make_runner("run", max_epochs=3).train()
    newest = tmp_path / "run" / "epoch_3.pth"
    newest.write_bytes(newest.read_bytes()[:-999])
    make_runner("run", max_epochs=3, resume=True).train()
    assert "epoch_3.pth: truncated or damaged" in capfd.readouterr().err
    last = [torch.load(tmp_path / name / "epoch_3.pth", weights_only=True)["state_dict"] for name in ("run", "whole")]
    assert all(torch.equal(last[0][key], last[1][key]) for key in last[0])


@pytest.mark.parametrize("damage", [lambda record: None, lambda record: record.write_text("[" * 100_000)])
def test_a_record_without_the_checkpoints_of_its_epochs_is_not_begun_anew(make_runner, tmp_path, damage):
    make_runner("run", max_epochs=2).train()
    folder, record = tmp_path / "run", tmp_path / "run" / "record.json"
    for path in [*folder.glob("*.pth"), folder / "last_checkpoint"]:
        path.unlink()
    damage(record)
    before = record.read_bytes()
    with pytest.raises(UsageError, match="no checkpoint to resume from: restore one, or replace the run with --over"):
        make_runner("run", max_epochs=2, resume=True).train()
    assert record.read_bytes() == before


def test_a_run_killed_before_its_first_checkpoint_begins_anew(make_runner, tmp_path):
    make_runner("run", max_epochs=1).train()
    folder = tmp_path / "run"
    for path in [*folder.glob("*.pth"), folder / "last_checkpoint"]:
        path.unlink()
    make_runner("run", max_epochs=1, resume=True).train()
    assert (folder / "epoch_1.pth").exists()


def test_a_run_that_is_complete_says_so_and_stays_as_it_is(make_runner, tmp_path, capsys):
    make_runner("run", max_epochs=2).train()
    before = (tmp_path / "run" / "epoch_2.pth").read_bytes()
    capsys.readouterr()
    make_runner("run", max_epochs=2, resume=True).train()
    assert capsys.readouterr().out == "complete, 2 of 2 epochs are done: nothing to train\n"
    assert (tmp_path / "run" / "epoch_2.pth").read_bytes() == before
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert (record["status"], len(record["epochs"])) == ("complete", 2)


@pytest.mark.parametrize("schedule", [None, {"type": "ScheduleHook", "schedule": "one_cycle", "nominal_batch_size": 8}])
@pytest.mark.parametrize(("batch_size", "length"), [(2, 12), (6, 12), (12, 12), (4, 20), (5, 12)])
def test_another_batch_size_or_number_of_pictures_has_the_rates_of_the_uninterrupted_run(
    make_runner, tmp_path, schedule, batch_size, length
):
    hooks = {"ema": {"type": "StepEMAHook"}, "checkpoint": {"type": "AtomicCheckpointHook"}}
    hooks |= {"param_scheduler": schedule} if schedule else {}
    make_runner("whole", max_epochs=5, hooks=hooks).train()
    loader = toy_config(Path())["train_dataloader"]
    loader |= {"batch_size": batch_size, "dataset": {"type": "ToyDataset", "length": length}}
    (tmp_path / "part").mkdir()
    shutil.copy(tmp_path / "whole" / "record.json", tmp_path / "part")
    first = str(tmp_path / "whole" / "epoch_2.pth")
    changes = {"train_dataloader": loader, "resume": True, "allow_changes": True}
    runner = make_runner("part", max_epochs=5, hooks=hooks, load_from=first, **changes)
    runner.train()
    rates = [
        [(row["lr"], row["momentum"]) for row in json.loads((tmp_path / name / "record.json").read_text())["epochs"]]
        for name in ("whole", "part")
    ]
    assert rates[0] == rates[1]
    assert (runner.iter, runner.max_iters) == (5 * len(runner.train_dataloader),) * 2
