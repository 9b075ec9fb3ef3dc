"""Every registered backbone and every backbone of a config signs the contract that third parties sign."""

import inspect
from pathlib import Path

import pytest
from torch import nn

from yolo_plugins.config import load_config
from yolo_plugins.costs.catalogue import entries
from yolo_plugins.errors import UsageError
from yolo_plugins.models.backbones import YOLOv5CSP
from yolo_plugins.registry import MODELS
from yolo_plugins.testing import check_backbone

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "configs").glob("yolov*.py"))
SLIM = dict(deepen_factor=0.33, widen_factor=0.25)  # what a config scales is checked at its smallest


def slim(cfg: dict) -> dict:
    """The same backbone as small as its class allows."""
    known = inspect.signature(MODELS.get(cfg["type"])).parameters
    return dict(cfg, **{key: value for key, value in SLIM.items() if key in known})


def registered() -> list[dict]:
    """Configs of all that is registered here; a network that states no channels is wrapped."""
    own = [entry.cfg for entry in entries() if entry.source == "yolo_plugins"]
    return [
        slim(cfg) if hasattr(MODELS.build(cfg), "out_strides") else dict(type="PyramidBackbone", net=cfg) for cfg in own
    ]


def of_configs() -> list[dict]:
    """Each backbone that a config names, once."""
    backbones = [slim(load_config(path).model.backbone) for path in CONFIGS]
    return list({str(backbone): backbone for backbone in backbones}.values())


@pytest.mark.parametrize("cfg", [*registered(), *of_configs()], ids=lambda cfg: str(cfg.get("net", cfg)))
def test_backbone_keeps_the_contract(cfg):
    assert {16, 32} <= set(check_backbone(cfg).out_strides)


@pytest.mark.parametrize(
    ("attribute", "planted", "sentence"),
    [
        ("out_strides", [8, 16, 64], "out_strides states 64, its stride is 32"),
        ("out_strides", [4, 16, 32], "out_strides states 4, its stride is 8"),
        ("out_channels", [64, 128, 255], "out_channels states 255, it has 256"),
    ],
)
def test_a_wrong_statement_of_a_plugin_is_caught(attribute, planted, sentence):
    class Liar(YOLOv5CSP):
        def __init__(self) -> None:
            super().__init__(**SLIM)
            setattr(self, attribute, planted)

    MODELS.register_module(name="Liar", module=Liar)
    try:
        with pytest.raises(UsageError, match=sentence):
            check_backbone(dict(type="Liar"))
    finally:
        del MODELS.module_dict["Liar"]


def test_a_parameter_that_no_map_needs_is_caught():
    class Hoarder(YOLOv5CSP):
        def __init__(self) -> None:
            super().__init__(**SLIM)
            self.classifier = nn.Linear(4, 4)

    MODELS.register_module(name="Hoarder", module=Hoarder)
    try:
        with pytest.raises(UsageError, match=r"no gradient reaches classifier\.weight, classifier\.bias; prune them"):
            check_backbone(dict(type="Hoarder"))
    finally:
        del MODELS.module_dict["Hoarder"]
