"""A model, a data set and a metric of a few numbers, and a config that trains them with the real hooks."""

import uuid
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from torch import nn
from torch.utils.data import Dataset

from yolo_plugins.registry import DATASETS, METRICS, MODELS

CLASSES = ("cat", "dog")
RUNTIME = Config.fromfile(Path(__file__).resolve().parents[2] / "configs" / "_base_" / "default_runtime.py")
# Those that run: MMDetection's for drawing does where it is told to.
HOOKS = {name: hook for name, hook in RUNTIME.default_hooks.to_dict().items() if name != "visualization"}


class ToyHead(nn.Module):
    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.conv = nn.Conv2d(4, 3, 1)


@MODELS.register_module()
class ToyDetector(BaseModel):
    def __init__(self, num_classes: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.SiLU())
        self.dropout = nn.Dropout(dropout)
        self.bbox_head = ToyHead(num_classes)

    def forward(self, inputs, target=None, mode="tensor"):
        raw = self.bbox_head.conv(self.dropout(self.stem(inputs.float()))).mean((2, 3))  # (N, 3)
        if mode == "tensor":
            return raw
        if mode == "predict":
            return list(raw)
        box, obj, cls = (raw - target).square().mean(0)
        return {"loss": (box + obj + cls) * len(inputs), "loss_box": box, "loss_obj": obj, "loss_cls": cls}

    def parse_losses(self, losses):
        return losses["loss"], losses


@DATASETS.register_module()
class ToyDataset(Dataset):
    img_size = 8

    def __init__(self, length: int = 12, nan_at: int = -1) -> None:
        self.metainfo = {"classes": CLASSES}
        self.length, self.nan_at = length, nan_at

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int):
        noise = torch.Generator().manual_seed(index)
        target = torch.rand(3, generator=noise)
        if index == self.nan_at:
            target[1] = torch.nan
        return {"inputs": torch.rand(3, 8, 8, generator=noise), "target": target}


@METRICS.register_module()
class ToyMetric(BaseMetric):
    default_prefix = "toy"  # silences MMEngine's warning about a missing one

    def __init__(self) -> None:
        super().__init__()
        self.prefix = None

    def process(self, data_batch, data_samples) -> None:
        self.results += [float(torch.sigmoid(sample.sum())) for sample in data_samples]

    def compute_metrics(self, results: list) -> dict[str, float]:
        score = sum(results) / len(results)
        return {"ap50": score, "ap50_95": score / 2, "precision": 0.5, "recall": 0.25, "recall_max": 0.75}


def toy_config(work_dir: Path, max_epochs: int = 3, hooks: dict | None = None, **changes) -> dict:
    """Settings of a run; `changes` replace whole entries, `hooks` all hooks but the schedule."""
    loader = {
        "batch_size": 4,
        "num_workers": 0,
        "dataset": {"type": "ToyDataset"},
        "sampler": {"type": "DefaultSampler", "shuffle": True},
        "collate_fn": {"type": "default_collate"},
    }
    config = {
        "model": {"type": "ToyDetector"},
        "work_dir": str(work_dir),
        "experiment_name": uuid.uuid4().hex,  # MMEngine's message hubs are global, by this name
        "default_scope": "yolo_plugins",
        "randomness": {"seed": 0},
        "train_dataloader": loader,
        "val_dataloader": loader | {"sampler": {"type": "DefaultSampler", "shuffle": False}},
        "train_cfg": {"by_epoch": True, "max_epochs": max_epochs},
        "val_cfg": {},
        "val_evaluator": {"type": "ToyMetric"},
        "optim_wrapper": {
            "type": "YOLOOptimWrapper",
            "constructor": "YOLOOptimWrapperConstructor",
            "clip_grad": {"max_norm": 10.0},
            "optimizer": {"type": "SGD", "lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4, "nesterov": True},
        },
        "default_hooks": {
            "param_scheduler": {
                "type": "ScheduleHook",
                "schedule": "cosine",
                "final": 0.1,
                "nominal_batch_size": 8,
                "warmup_epochs": 1,
                "warmup_min_iters": 2,
                "warmup_bias_lr": 0.1,
                "warmup_momentum": 0.8,
            },
            **HOOKS,
        },
    }
    if hooks is not None:
        schedule = {"param_scheduler": config["default_hooks"]["param_scheduler"]}
        config["default_hooks"] = schedule | {"record": {"type": "RunRecordHook"}} | hooks
    return config | changes
