"""Trains and evaluates in one of one or two processes; run by test_distributed.py, two under torchrun's variables."""

import os
import sys
from pathlib import Path

import mmengine.runner.runner
import torch
from mmengine.hooks import Hook
from toy_training import toy_config

from yolo_plugins.config import load_config
from yolo_plugins.engine import YOLORunner, run_record_hook
from yolo_plugins.evaluation import DetectionMetric

mmengine.runner.runner.collect_env = dict
run_record_hook._complexity = lambda model, input_hw: {}
FOLDER, DATA = Path(sys.argv[1]), sys.argv[2]
RANKS = int(os.environ.get("WORLD_SIZE", "1"))
LAUNCHER = "pytorch" if RANKS > 1 else "none"


def train_toy(name: str, **changes) -> None:
    config = toy_config(FOLDER / name, launcher=LAUNCHER, **changes)
    config["train_dataloader"] = config["train_dataloader"] | {"batch_size": 2}
    config["default_hooks"]["checkpoint"] = {"type": "AtomicCheckpointHook"}
    YOLORunner.from_cfg(config).train()


class FrozenNorms(Hook):
    """The only part of a network that sees which pictures a process has together."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        for module in runner.model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()


def detector(name: str, *options: str):
    small = ["img_size=64", "model.backbone.widen_factor=0.125", "model.neck.widen_factor=0.125"]
    loaders = [f"{part}_dataloader.num_workers=0" for part in ("train", "val", "test")]
    config = load_config("yolov5_n_voc", [f"data_root={DATA}", *small, *loaders, *options], str(FOLDER / name))
    config.launcher, config.experiment_name = LAUNCHER, name
    return config


def train_detector(name: str, *options: str, **changes) -> None:
    """Eight pictures an iteration, three iterations an epoch, sixteen pictures a step, whatever the processes."""
    config = detector(name, f"train_dataloader.batch_size={8 // RANKS}", "train_cfg.max_epochs=2", *options)
    config.default_hooks.param_scheduler = dict(
        type="ScheduleHook", schedule="linear", final=0.01, nominal_batch_size=16
    )
    config.val_dataloader = config.val_cfg = config.val_evaluator = None
    config.default_hooks.checkpoint = dict(type="AtomicCheckpointHook")
    config.update(changes)
    runner = YOLORunner.from_cfg(config)
    runner.register_hook(FrozenNorms())
    runner.train()


def evaluate(name: str, checkpoint: Path, batch_size: int) -> None:
    """Keeps what the metric has gathered."""
    rectangles = [f"test_dataloader.batch_size={batch_size}", f"test_dataloader.dataset.rect_batch_size={batch_size}"]
    config = detector(name, "img_size=96", *rectangles, "model.test_cfg.score_thr=0.0001")  # shapes differ from 96 on
    config.load_from = str(checkpoint)
    gathered = []

    class Kept(DetectionMetric):
        def compute_metrics(self, results):
            gathered.extend(results)
            return super().compute_metrics(results)

    runner = YOLORunner.from_cfg(config)
    runner.test_loop.evaluator.metrics[0].__class__ = Kept
    runner.test()
    if runner.rank == 0:
        torch.save([(index, *map(torch.from_numpy, image)) for index, image in gathered], FOLDER / f"{name}.pt")


OBJECTNESS_ALONE = ["model.bbox_head.loss.type=YOLOLoss"]
OBJECTNESS_ALONE += [f"model.bbox_head.loss.loss_{term}.weight=0.0" for term in ("box", "cls")]
if RANKS == 2:
    train_toy("whole", max_epochs=2)
    # After the first epoch one iteration's gradients wait for a step.
    train_toy("resumed", max_epochs=2, resume=True, load_from=str(FOLDER / "whole" / "epoch_1.pth"))
    one = FOLDER / "one_objectness" / "epoch_1.pth"
    train_detector("taken_over", *OBJECTNESS_ALONE, resume=True, load_from=str(one))
number = "one" if RANKS == 1 else "two"
train_detector(f"{number}_objectness", *OBJECTNESS_ALONE)
train_detector(f"{number}_all")
for size in (3, 8):
    evaluate(f"{number}_rectangles_{size}", FOLDER / "one_objectness" / "epoch_2.pth", size)
