"""What a training writes into record.json."""

import shutil
import sys
from pathlib import Path

import pytest
from mmengine.hooks import Hook

from yolo_plugins.engine import run_record_hook
from yolo_plugins.errors import UsageError
from yolo_plugins.record import read_record


def record_of(runner):
    return read_record(Path(runner.work_dir, "record.json"))


def hook_of(runner, name):
    return next(hook for hook in runner.hooks if type(hook).__name__ == name)


def without_clocks(rows):
    return [
        {key: value for key, value in row.items() if not key.endswith("seconds") and key != "peak_memory_bytes"}
        for row in rows
    ]


def test_a_run_is_described(make_runner):
    runner = make_runner(max_epochs=2)
    runner.train()
    content = record_of(runner)
    assert content["status"] == "complete"
    assert (content["seed"], content["schedule"], content["world_size"]) == (0, "cosine", 1)
    assert (content["total_batch"], content["input_hw"]) == (4, [8, 8])
    assert content["dataset_sizes"] == {"train": 12, "val": 12}
    assert content["complexity"] == {"params": 1}
    assert content["device"]["threads"] >= 1
    assert len(content["config_sha256"]) == 64
    assert content["amp"] is False
    assert [row["epoch"] for row in content["epochs"]] == [1, 2]
    assert content["summary"]["best_ap50"] == max(row["scores"]["ap50"] for row in content["epochs"])


@pytest.mark.parametrize(("latency", "told"), [(None, ["the record has no latency, because"]), (0.01, [])])
def test_a_machine_too_busy_for_a_latency_is_told_in_one_line(monkeypatch, latency, told):
    counts = {"latency_seconds": latency, "latency_machine": "other processes used 53% of 2 cores"}
    lines = []
    monkeypatch.setattr(run_record_hook, "summarize", lambda model, input_hw: counts)
    monkeypatch.setattr(run_record_hook, "print_log", lambda sentence, *_: lines.append(sentence))
    assert run_record_hook._complexity(None, [64, 64]) is counts
    assert [line.startswith(start) for line, start in zip(lines, told, strict=True)] == [True] * len(told)
    assert all(counts["latency_machine"] in line for line in lines)


def test_a_row_holds_means_times_and_metrics(make_runner):
    runner = make_runner(max_epochs=1)
    terms = []

    class Spy(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            terms.append([outputs[f"loss_{key}"].item() for key in ("box", "obj", "cls")])

    runner.register_hook(Spy())
    runner.train()
    (row,) = record_of(runner)["epochs"]
    means = [sum(column) / 3 for column in zip(*terms, strict=True)]
    assert row["losses"] == pytest.approx(dict(zip(("box", "obj", "cls"), means, strict=True)))
    assert row["train_loss"] == pytest.approx(sum(means))
    assert 0 < row["data_seconds"] < row["train_seconds"]
    assert row["val_seconds"] > 0
    assert row["peak_memory_bytes"] > 1e6
    assert row["images"] == 12
    assert (row["scores"]["precision"], row["scores"]["recall"], row["scores"]["recall_max"]) == (0.5, 0.25, 0.75)
    assert 0.8 < row["momentum"] < 0.9
    assert 0 < row["lr"] < 0.01


def test_epochs_without_validation_have_no_scores(make_runner):
    runner = make_runner(train_cfg={"by_epoch": True, "max_epochs": 3, "val_interval": 2})
    runner.train()
    rows = record_of(runner)["epochs"]
    assert ["ap50" not in row["scores"] for row in rows] == [True, False, False]
    assert rows[0]["val_seconds"] is None


def test_training_without_validation_is_recorded(make_runner):
    hooks = {"checkpoint": {"type": "AtomicCheckpointHook"}}
    runner = make_runner(val_dataloader=None, val_cfg=None, val_evaluator=None, hooks=hooks, max_epochs=1)
    runner.train()
    assert record_of(runner)["summary"]["best_ap50"] is None
    assert record_of(runner)["dataset_sizes"] == {"train": 12}


def test_resuming_drops_the_rows_that_come_again(make_runner):
    whole = make_runner("whole", max_epochs=4)
    whole.train()
    shutil.copytree(whole.work_dir, Path(whole.work_dir).with_name("part"))
    resumed = make_runner("part", max_epochs=4, load_from=f"{whole.work_dir}/epoch_3.pth", resume=True)
    resumed.train()
    content = record_of(resumed)
    assert content["resumed_after"] == [3]
    assert without_clocks(content["epochs"]) == without_clocks(record_of(whole)["epochs"])


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt(), "interrupted"), (UsageError("x"), "failed")])
def test_a_broken_off_run_says_so(make_runner, error, status):
    runner = make_runner(max_epochs=2)

    class Breaker(Hook):
        def before_val_epoch(self, runner):
            raise error

    runner.register_hook(Breaker())
    with pytest.raises(type(error)):
        runner.train()
    assert record_of(runner)["status"] == status
    assert len(record_of(runner)["epochs"]) == 1


def test_message_hub_keeps_a_window_only(make_runner, monkeypatch):
    monkeypatch.setattr("yolo_plugins.engine.run_record_hook._LOG_WINDOW", 5)
    runner = make_runner(max_epochs=4)
    runner.train()
    assert len(runner.message_hub.get_scalar("train/loss_box").data[0]) == 5


def test_a_token_on_the_command_line_does_not_reach_the_record(make_runner, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train.py", "--cfg-options", "a.api_key=hunter2", "img_size=64"])
    runner = make_runner(max_epochs=1)
    runner.train()
    assert record_of(runner)["command"] == "train.py --cfg-options 'a.api_key=***' img_size=64"
