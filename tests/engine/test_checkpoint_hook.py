"""Checkpoints are complete or absent, and the last good one outlives a failed save."""

import errno
import inspect
import json
import math
import os
import re
from pathlib import Path

import pytest
import torch
from mmengine.hooks import CheckpointHook, Hook
from toy_training import ToyMetric

from yolo_plugins.checkpoints.soundness import write_checkpoint
from yolo_plugins.engine.checkpoint import AtomicCheckpointHook, latest_checkpoint
from yolo_plugins.errors import UsageError
from yolo_plugins.files import write_atomically


def fill_disk(monkeypatch, victim):
    """Makes flushing a file whose name contains `victim` fail as on a full disk."""
    real = os.fsync

    def fsync(descriptor):
        if victim in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


def names(folder):
    """Files of a run, without the config and the lock."""
    return sorted(path.name for path in Path(folder).glob("[!.]*") if path.is_file() and path.suffix != ".py")


def test_a_failed_write_leaves_the_old_file_and_no_temporary(tmp_path, monkeypatch):
    path = tmp_path / "a" / "file"
    write_atomically(path, b"old")
    fill_disk(monkeypatch, "file")
    with pytest.raises(UsageError, match=r"a/file: disk full, 0.0 MB do not fit.*--resume"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(path.parent) == ["file"]


def test_an_interrupted_write_leaves_no_temporary(tmp_path, monkeypatch):
    def interrupted(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", b"new")
    assert names(tmp_path) == []


def test_newest_and_best_epochs_are_kept(make_runner):
    runner = make_runner(max_epochs=4)
    runner.train()
    best = runner.message_hub.get_info("best_ckpt")
    expected = [Path(best).name, "epoch_3.pth", "epoch_4.pth", "last_checkpoint", "record.json"]
    assert names(runner.work_dir) == sorted(expected)
    assert latest_checkpoint(runner.work_dir) == str(Path(runner.work_dir, "epoch_4.pth"))


@pytest.mark.parametrize("rule", ["greater", "less"])
def test_a_score_that_is_no_number_is_no_best(make_runner, monkeypatch, rule):
    monkeypatch.setattr(ToyMetric, "compute_metrics", lambda self, results: {"ap50": math.nan})
    hooks = {"checkpoint": {"type": "AtomicCheckpointHook", "save_best": "ap50", "rule": rule}}
    runner = make_runner(max_epochs=2, hooks=hooks)
    runner.train()
    assert not list(Path(runner.work_dir).glob("best_*"))
    summary = json.loads(Path(runner.work_dir, "record.json").read_text())["summary"]
    assert (summary["best_ap50"], summary["best_ap50_epoch"]) == (None, None)


def test_a_checkpoint_holds_tensors_and_plain_values_only(make_runner):
    runner = make_runner(max_epochs=1)
    runner.train()
    checkpoint = torch.load(f"{runner.work_dir}/epoch_1.pth", weights_only=True)
    assert checkpoint["meta"]["epoch"] == 1
    assert checkpoint["meta"]["iter"] == 3
    assert checkpoint["meta"]["dataset_meta"] == {"classes": ("cat", "dog")}
    assert {"state_dict", "ema_state_dict", "optimizer", "message_hub"} < checkpoint.keys()
    assert "optimizer" not in torch.load(runner.message_hub.get_info("best_ckpt"), weights_only=True)


def test_epochs_without_validation_are_saved_at_the_interval(make_runner):
    hooks = {"checkpoint": {"type": "AtomicCheckpointHook", "interval": 2}}
    runner = make_runner(max_epochs=5, train_cfg={"by_epoch": True, "max_epochs": 5, "val_interval": 3}, hooks=hooks)
    runner.train()
    assert names(runner.work_dir) == [
        "epoch_2.pth", "epoch_4.pth", "epoch_5.pth", "last_checkpoint", "record.json"
    ]  # fmt: skip


def test_a_killed_validation_is_done_again_by_the_resumed_run(make_runner, monkeypatch):
    runner = make_runner(max_epochs=2)

    def killed(*_):
        if runner.epoch == 2:
            raise KeyboardInterrupt
        return {"ap50": 0.1}

    monkeypatch.setattr(runner.val_loop.evaluator, "evaluate", killed)
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    assert latest_checkpoint(runner.work_dir).endswith("epoch_1.pth")


@pytest.mark.parametrize("victim", ["epoch_3.pth", "best_ap50_epoch_3", "last_checkpoint", "record.json"])
def test_the_last_good_checkpoint_survives_a_full_disk(make_runner, monkeypatch, victim):
    hooks = {"checkpoint": {"type": "AtomicCheckpointHook", "max_keep_ckpts": 1, "save_best": "ap50"}}
    runner = make_runner(max_epochs=3, hooks=hooks)
    scores = iter([0.1, 0.2, 0.3])
    monkeypatch.setattr(runner.val_loop.evaluator, "evaluate", lambda size: {"ap50": next(scores)})

    class Filler(Hook):
        priority = "HIGHEST"

        def before_train_epoch(self, runner):
            if runner.epoch == 2:
                fill_disk(monkeypatch, victim)

    runner.register_hook(Filler())
    with pytest.raises(UsageError, match="disk full"):
        runner.train()
    saved = latest_checkpoint(runner.work_dir)
    assert torch.load(saved, weights_only=True)["meta"]["epoch"] == 2
    assert any(name.startswith("best_ap50_epoch_") for name in names(runner.work_dir))
    assert not [name for name in os.listdir(runner.work_dir) if name.endswith(".tmp")]


def test_an_unknown_best_metric_is_refused(make_runner):
    hooks = {"checkpoint": {"type": "AtomicCheckpointHook", "save_best": "mAP"}}
    with pytest.raises(UsageError, match=r"save_best='mAP'.*ap50, ap50_95"):
        make_runner(max_epochs=1, hooks=hooks).train()


SCORES = [{"ap50": 0.1, "error": 0.5}, {"ap50": 0.3, "error": 0.6}, {"ap50": 0.2, "error": 0.4}]


@pytest.mark.parametrize(
    ("options", "best"),
    [
        ({"save_best": "auto"}, ["best_ap50_epoch_2.pth"]),
        ({"save_best": "ap50", "rule": "greater"}, ["best_ap50_epoch_2.pth"]),
        ({"save_best": "error", "rule": "less"}, ["best_error_epoch_3.pth"]),
        (
            {"save_best": ["ap50", "error"], "rule": ["greater", "less"]},
            ["best_ap50_epoch_2.pth", "best_error_epoch_3.pth"],
        ),
        ({"save_best": ["ap50", "error"], "rule": "less"}, ["best_ap50_epoch_1.pth", "best_error_epoch_3.pth"]),
        ({"save_best": None}, []),
    ],
)
def test_the_best_epoch_of_each_metric_is_kept(make_runner, monkeypatch, options, best):
    runner = make_runner(max_epochs=3, hooks={"checkpoint": {"type": "AtomicCheckpointHook", **options}})
    scores = iter(SCORES)
    monkeypatch.setattr(runner.val_loop.evaluator, "evaluate", lambda size: next(scores))
    runner.train()
    assert [name for name in names(runner.work_dir) if name.startswith("best_")] == best


@pytest.mark.parametrize("rule", ["greater", "less"])
def test_of_equal_epochs_the_first_is_the_best(make_runner, monkeypatch, rule):
    hooks = {"checkpoint": {"type": "AtomicCheckpointHook", "save_best": "ap50", "rule": rule}}
    runner = make_runner(max_epochs=2, hooks=hooks)
    monkeypatch.setattr(runner.val_loop.evaluator, "evaluate", lambda size: {"ap50": 0.3})
    runner.train()
    assert "best_ap50_epoch_1.pth" in names(runner.work_dir)
    assert json.loads(Path(runner.work_dir, "record.json").read_text())["summary"]["best_ap50_epoch"] == 1


def test_a_metric_with_a_slash_makes_a_file_name(make_runner, monkeypatch):
    runner = make_runner(max_epochs=1, hooks={"checkpoint": {"type": "AtomicCheckpointHook", "save_best": "auto"}})
    monkeypatch.setattr(runner.val_loop.evaluator, "evaluate", lambda size: {"coco/bbox_mAP": 0.1})
    runner.train()
    assert "best_coco_bbox_mAP_epoch_1.pth" in names(runner.work_dir)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"by_epoch": False}, "checkpoint.by_epoch=False is not supported: a checkpoint stands for a finished epoch"),
        ({"save_last": False}, "checkpoint.save_last=False is not supported: "),
        ({"out_dir": "/data"}, "checkpoint.out_dir='/data' is not supported: name the folder by work_dir"),
        ({"published_keys": ["state_dict"]}, "best_*.pth hold the weights alone"),
        ({"intervall": 2}, "AtomicCheckpointHook takes no 'intervall'; did you mean 'interval'?"),
        ({"interval": 0}, "checkpoint.interval=0: "),
        ({"save_best": "ap50", "rule": "max"}, "checkpoint.rule='max': give 'greater' or 'less'"),
        ({"save_best": "ap50", "rule": ["less", "less"]}, "one for all or one for each of save_best"),
    ],
)
def test_an_option_that_it_lacks_is_refused_with_the_remedy(options, sentence):
    with pytest.raises(UsageError, match=re.escape(sentence)):
        AtomicCheckpointHook(**options)


def test_options_of_mmengine_that_change_nothing_are_taken():
    options = inspect.signature(CheckpointHook.__init__).parameters
    given = {name: option.default for name, option in options.items() if name not in ("self", "kwargs", "interval")}
    AtomicCheckpointHook(**given)


def test_a_run_with_the_hook_of_mmengine_is_resumed_exactly(make_runner, tmp_path):
    hooks = {"checkpoint": {"type": "CheckpointHook", "interval": 1, "out_dir": str(tmp_path / "out")}}
    hooks |= {"ema": {"type": "StepEMAHook"}}
    for name, *epochs in (("whole", 4), ("part", 2, 4)):
        for number in epochs:
            cosine_of_four = {"param_scheduler": None}  # the length of the run plays no part
            make_runner(
                name, max_epochs=number, hooks=hooks | cosine_of_four, resume=number > epochs[0], allow_changes=True
            ).train()
    whole, part = (torch.load(tmp_path / "out" / name / "epoch_4.pth", weights_only=True) for name in ("whole", "part"))
    for key in ("state_dict", "ema_state_dict"):
        assert all(torch.equal(part[key][name], value) for name, value in whole[key].items())


def save(folder, epoch, **content):
    write_checkpoint(folder / f"epoch_{epoch}.pth", {"state_dict": {"w": torch.ones(9)}} | content)


def test_a_moved_work_dir_is_found_again(tmp_path):
    save(tmp_path, 3)
    (tmp_path / "last_checkpoint").write_text("/somewhere/else/epoch_3.pth\n")
    assert latest_checkpoint(tmp_path) == str(tmp_path / "epoch_3.pth")
    (tmp_path / "epoch_3.pth").unlink()
    with pytest.raises(UsageError, match=r"'epoch_3\.pth', which is not there: no checkpoint to resume from"):
        latest_checkpoint(tmp_path)
    assert latest_checkpoint(tmp_path / "new") is None


def make_folder(path):
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda pointer: None, "last_checkpoint: no such file"),
        (make_folder, "last_checkpoint: no such file"),
        (lambda pointer: pointer.write_bytes(b""), "last_checkpoint: names '', which is not there"),
        (lambda pointer: pointer.write_bytes(b"\xff\x00\xfe" * 9), "last_checkpoint: names "),
        (lambda pointer: pointer.write_text("x" * 9999), "last_checkpoint: names "),
        (lambda pointer: pointer.write_text("epoch_9.pth"), "names 'epoch_9.pth', which is not there"),
        (lambda pointer: pointer.write_text("epoch_12.pth"), "epoch_12.pth: truncated or damaged, its checksum does"),
    ],
)
def test_without_a_sound_last_checkpoint_the_newest_sound_one_is_taken_and_named(tmp_path, caplog, spoil, fault):
    for epoch in (2, 9, 10, 11, 12):
        save(tmp_path, epoch)
    (tmp_path / "epoch_9.pth").unlink()
    save(tmp_path, 11, state_dict={"w": torch.tensor([0.0, torch.nan])})
    truncated = tmp_path / "epoch_12.pth"
    truncated.write_bytes(truncated.read_bytes()[:-9])
    spoil(tmp_path / "last_checkpoint")
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("yolo_plugins.engine.checkpoint.print_log", lambda text, *_: told.append(text))
        assert latest_checkpoint(tmp_path) == str(tmp_path / "epoch_10.pth")
    assert fault in told[0]
    assert told[0].endswith(f"resuming from {tmp_path / 'epoch_10.pth'}")
    assert "epoch_11.pth: w holds NaN" in told[0]


def test_a_folder_without_a_sound_checkpoint_is_refused_with_all_their_names(tmp_path):
    for epoch in (1, 2):
        (tmp_path / f"epoch_{epoch}.pth").write_bytes(b"x" * 99)
    with pytest.raises(UsageError, match=r"epoch_2\.pth: truncated.*epoch_1\.pth: truncated.*start a new run"):
        latest_checkpoint(tmp_path)


def test_the_last_checkpoint_is_named_only_once_it_is_there(make_runner, monkeypatch):
    runner = make_runner(max_epochs=2, hooks={"checkpoint": {"type": "AtomicCheckpointHook"}})
    fill_disk(monkeypatch, "epoch_2.pth")
    with pytest.raises(UsageError, match="disk full"):
        runner.train()
    assert Path(runner.work_dir, "last_checkpoint").read_text().endswith("epoch_1.pth")


def test_weights_that_are_not_finite_are_never_saved(make_runner):
    runner = make_runner(max_epochs=2)

    class Spoiler(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            if runner.epoch == 1 and batch_idx == 2:
                torch.nn.init.constant_(runner.model.stem[0].weight, torch.inf)

    runner.register_hook(Spoiler(), priority="LOWEST")
    with pytest.raises(UsageError, match=r"in epoch 2 \(module\.stem\.0\.weight\), epoch_2\.pth is not written"):
        runner.train()
    assert latest_checkpoint(runner.work_dir).endswith("epoch_1.pth")
