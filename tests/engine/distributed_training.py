"""Trains the toy detector in one of several processes; run by test_distributed.py under torchrun's variables."""

import sys
from pathlib import Path

import mmengine.runner.runner
from toy_training import toy_config

from yolo_plugins.engine import YOLORunner, run_record_hook

mmengine.runner.runner.collect_env = dict
run_record_hook._complexity = lambda model, input_hw: {}


def train(folder: Path, name: str, **changes) -> None:
    config = toy_config(folder / name, launcher="pytorch", **changes)
    config["train_dataloader"] = config["train_dataloader"] | {"batch_size": 2}
    config["default_hooks"]["checkpoint"] = {"type": "AtomicCheckpointHook"}
    YOLORunner.from_cfg(config).train()


folder = Path(sys.argv[1])
train(folder, "whole", max_epochs=2)
# After the first epoch one iteration's gradients wait for a step.
train(folder, "resumed", max_epochs=2, resume=True, load_from=str(folder / "whole" / "epoch_1.pth"))
