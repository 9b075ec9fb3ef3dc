"""The clock of a training's start."""

import json
from types import SimpleNamespace

import pytest

from yolo_plugins.config import load_config
from yolo_plugins.errors import UsageError
from yolo_plugins.testing import benchmark_start
from yolo_plugins.testing.benchmark_start import StartClockHook

PARTS = ["import_s", "build_s", "data_s", "first_iteration_s"]


def test_the_parts_of_a_start_sum_to_it_and_end_with_the_first_iteration(tmp_path, monkeypatch):
    now = iter([103.0, 107.0, 115.0, 131.0])
    monkeypatch.setattr(benchmark_start, "_imported", 101.0)
    monkeypatch.setattr(benchmark_start, "time", SimpleNamespace(time=lambda: next(now)))
    hook = StartClockHook(begin=100.0, out=str(tmp_path / "start.json"))
    hook.before_train(None)
    assert not (tmp_path / "start.json").exists()
    for iteration in range(2):
        hook.after_train_iter(SimpleNamespace(iter=iteration), iteration)
    found = json.loads((tmp_path / "start.json").read_text())
    assert [found[part] for part in PARTS] == [1.0, 2.0, 4.0, 8.0]
    assert found["start_s"] == sum(found[part] for part in PARTS)


def test_a_training_that_breaks_off_is_told_in_its_own_words():
    config = load_config("yolov5_n_voc", ["img_size=64"])
    config.train_dataloader.update(batch_size=999, drop_last=True)
    with pytest.raises(UsageError, match=r"the training broke off: error: 64 pictures make no batch of 999"):
        benchmark_start.benchmark_start(config)
