"""Every registered neck signs the contract that third parties sign."""

import inspect

import pytest

from yolo_plugins.models import necks
from yolo_plugins.registry import MODELS
from yolo_plugins.testing import check_neck

SLIM = dict(deepen_factor=0.33, widen_factor=0.125)
# Neck -> strides of the maps that it is tried on
STRIDES = {
    "YOLOv5PAFPN": [(8, 16, 32)],
    "YOLOv4CSPPAN": [(8, 16, 32), (16, 32), (8, 16, 32, 64), (8, 16, 32, 64, 128)],
    "YOLOv4TinyFPN": [(16, 32)],
}


def registered() -> list[str]:
    MODELS.import_from_location()
    return [name for name, known in MODELS.module_dict.items() if known.__module__.startswith(necks.__name__)]


def slim(name: str) -> dict:
    """The neck as small as its class allows."""
    known = inspect.signature(MODELS.get(name)).parameters
    return dict(type=name, **{key: value for key, value in SLIM.items() if key in known})


@pytest.mark.parametrize("name", registered())
def test_neck_keeps_the_contract(name):
    for strides in STRIDES[name]:
        in_channels = [8 + 16 * level for level in range(len(strides))]
        assert len(check_neck(slim(name), in_channels, strides).out_channels) == len(strides)


@pytest.mark.parametrize("strides", [(16, 32), (4, 8, 16, 32), (4, 8, 16, 32, 64)])
def test_yolov5s_neck_keeps_the_contract_at_other_numbers_of_levels(strides):
    cfg = dict(slim("YOLOv5PAFPN"), level_channels=[128 * level for level in range(1, len(strides) + 1)])
    check_neck(cfg, [16] * len(strides), strides)
