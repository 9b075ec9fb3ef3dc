"""What the user sees while a training runs."""

import sys

import pytest

from yolo_plugins.engine.console_hook import format_row
from yolo_plugins.errors import UsageError

ROW = {
    "epoch": 7, "lr": 0.00998, "losses": {"box": 0.08931, "obj": 0.0321, "cls": 0.0741},
    "scores": {"ap50": 0.4121, "ap50_95": 0.1984, "precision": 0.51, "recall": 0.44, "mine": None},
    "train_seconds": 12.34, "val_seconds": 3.4, "peak_memory_bytes": 2310000000,
}  # fmt: skip


def test_a_row_becomes_one_line():
    assert format_row(ROW, 200) == (
        "epoch   7/200  lr 0.009980  box 0.0893  obj 0.0321  cls 0.0741  AP50 0.412  AP50-95 0.198  P 0.510  R 0.440  "
        "12.3 + 3.4 s  2.31 GB"
    )


def test_a_row_without_metrics_leaves_them_out():
    unvalidated = ROW | {"scores": {}, "val_seconds": None}
    assert format_row(unvalidated, 9) == "epoch 7/9  lr 0.009980  box 0.0893  obj 0.0321  cls 0.0741  12.3 s  2.31 GB"


def test_one_line_an_epoch_and_nothing_else(make_runner, capfd):
    make_runner(train_cfg={"by_epoch": True, "max_epochs": 3, "val_interval": 2}).train()
    out, err = capfd.readouterr()
    assert [line.split("  ")[0] for line in out.splitlines()] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert ["AP50" in line for line in out.splitlines()] == [False, True, True]
    assert err == ""


def test_a_terminal_gets_bars(make_runner, monkeypatch, capfd):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    make_runner(max_epochs=1).train()
    out, err = capfd.readouterr()
    assert "epoch 1/1: " in err
    assert "validation: " in err
    assert len(out.splitlines()) == 1


def test_console_without_record_is_refused(make_runner):
    with pytest.raises(UsageError, match="RunRecordHook"):
        make_runner(hooks={"record": {"type": "EpochSeedHook"}, "console": {"type": "ConsoleHook"}}).train()
