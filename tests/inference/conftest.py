"""A tiny detector with random weights, which finds something everywhere."""

from collections.abc import Callable

import pytest
import torch
from mmengine.config import Config

from yolo_plugins.config import load_config
from yolo_plugins.inference import Detector
from yolo_plugins.registry import MODELS

CLASSES = ("screw", "nut")
TINY = [
    "img_size=64,96",
    "model.backbone.widen_factor=0.125",
    "model.neck.widen_factor=0.125",
    "model.bbox_head.num_classes=2",
]


@pytest.fixture(scope="session")
def tiny_config() -> Config:
    config = load_config("yolov5_n_voc", TINY)
    config.test_dataloader.dataset.metainfo = dict(classes=CLASSES)
    return config


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_config, tmp_path_factory) -> str:
    """As a training writes it: weights, config as text, names."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.pth"
    meta = {"cfg": tiny_config.pretty_text, "dataset_meta": {"classes": CLASSES}}
    torch.save({"state_dict": MODELS.build(tiny_config.model).state_dict(), "meta": meta}, path)
    return str(path)


@pytest.fixture(scope="session")
def detector(tiny_checkpoint) -> Detector:
    return Detector(tiny_checkpoint, score_thr=0.0, device="cpu")


@pytest.fixture
def make_checkpoint(tiny_checkpoint, tmp_path) -> Callable[..., str]:
    """Writes the tiny checkpoint with other entries in its `meta`; None takes one away."""

    def make(**meta: object) -> str:
        content = torch.load(tiny_checkpoint)
        content["meta"] = {key: value for key, value in (content["meta"] | meta).items() if value is not None}
        path = tmp_path / "changed.pth"
        torch.save(content, path)
        return str(path)

    return make
