"""What the user sees while a training runs."""

import math
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from tqdm import tqdm

from yolo_plugins.engine import console_hook
from yolo_plugins.engine.console_hook import format_row
from yolo_plugins.errors import UsageError
from yolo_plugins.evaluation import DetectionMetric
from yolo_plugins.registry import METRICS

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


def test_what_is_left_of_the_run_ends_the_line():
    assert format_row(ROW, 200, seconds_left=3725.4).endswith("  2.31 GB  1:02:05 left")


def test_scores_that_a_set_without_objects_lacks_are_words():
    scores = dict.fromkeys(("ap50", "ap50_95", "precision", "recall", "recall_max"), math.nan) | {"speed": 7.0}
    line = format_row(ROW | {"scores": scores}, 9)
    assert "  speed 7.000  no objects, so no AP50, AP50-95, P, R, Rmax  12.3" in line
    assert "nan" not in line


@METRICS.register_module()
class OneCatAPicture(DetectionMetric):
    """Boxes of the toy set's pictures, which has none: a cat in each, found where the picture's number is even."""

    def process(self, data_batch, data_samples) -> None:
        cat, label = np.array([[0.0, 0, 4, 4]]), np.zeros(1, np.int64)
        for _ in data_samples:
            odd = len(self.results) % 2
            self.results.append(
                (len(self.results), (cat, label, label > 0, cat + 4 * odd, label, np.array([1 - odd / 2])))
            )


def test_a_line_an_epoch_and_a_table_of_the_classes_at_the_end(make_runner, capfd):
    evaluator = {"type": "OneCatAPicture"}
    make_runner(train_cfg={"by_epoch": True, "max_epochs": 3, "val_interval": 2}, val_evaluator=evaluator).train()
    out, err = capfd.readouterr()
    rows, table = out.splitlines()[:3], out.splitlines()[3:]
    assert [line.split("  ")[0] for line in rows] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert ["AP50" in line for line in rows] == [False, True, True]
    assert [line.endswith(" left") for line in rows] == [True, True, False]
    assert table[0] == "validation after epoch 3"
    assert table[1].split() == ["class", "objects", "found", "AP50", "AP50-95", "P", "R", "Rmax"]
    assert [line.split()[:4] for line in table[2:]] == [
        ["cat", "12", "12", "0.5000"],
        ["dog", "0", "0", "-"],
        ["mean", "12", "12", "0.5000"],
    ]
    assert "AP50 0.500" in rows[-1]
    assert err == ""


COLOURS = """
import sys
from yolo_plugins.engine.console_hook import format_row
print(repr(format_row(eval(sys.argv[1]), 9, seconds_left=9, is_best=True)))
"""


@pytest.mark.parametrize(
    ("environment", "is_coloured"), [({}, False), ({"FORCE_COLOR": "1"}, True), ({"NO_COLOR": "1"}, False)]
)
def test_lines_have_colour_only_where_it_shows(environment, is_coloured):
    clean = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "NO_COLOR")}
    command = [sys.executable, "-c", COLOURS, repr(ROW)]
    line = subprocess.run(command, env=clean | environment, capture_output=True, text=True, check=True).stdout
    assert ("\\x1b[32mAP50 0.412\\x1b[0m" in line) == is_coloured
    assert ("\\x1b" in line) == is_coloured


class EagerBar(tqdm):
    """Draws each iteration, however soon it comes after the last one."""

    def __init__(self, **options) -> None:
        super().__init__(**options, mininterval=0)


def test_a_terminal_gets_bars(make_runner, monkeypatch, capfd):
    monkeypatch.setattr(console_hook, "tqdm", EagerBar)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    make_runner(max_epochs=1).train()
    out, err = capfd.readouterr()
    assert "epoch 1/1: " in err
    assert re.search(r"epoch 1/1, 00:0\d left of all: ", err)
    assert "validation: " in err
    assert out.startswith("epoch 1/1")


def test_console_without_record_is_refused(make_runner):
    with pytest.raises(UsageError, match="RunRecordHook"):
        make_runner(hooks={"record": {"type": "EpochSeedHook"}, "console": {"type": "ConsoleHook"}}).train()
