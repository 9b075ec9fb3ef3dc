"""Every registered head signs the contract that third parties sign, with two to five levels."""

import pytest

from yolo_plugins.models import dense_heads
from yolo_plugins.registry import MODELS
from yolo_plugins.testing import check_head

ANCHORS = [[(stride, 2 * stride), (3 * stride, 3 * stride)] for stride in (8, 16, 32, 64, 128)]
OPTIONS = [
    dict(),
    dict(assigner=dict(type="ShapeAssigner", both_sides=False)),
    dict(bbox_coder=dict(type="DarknetBBoxCoder")),
    dict(loss=dict(type="YOLOLoss", loss_box=dict(iou="siou"), reference_size=None)),
]
CONFIGS = {"YOLOAnchorHead": [dict(type="YOLOAnchorHead", num_classes=6, **options) for options in OPTIONS]}


def test_every_registered_head_is_checked():
    MODELS.import_from_location()
    registered = {
        name for name, known in MODELS.module_dict.items() if known.__module__.startswith(dense_heads.__name__)
    }
    assert registered == CONFIGS.keys()


@pytest.mark.parametrize("cfg", CONFIGS["YOLOAnchorHead"], ids=str)
def test_head_keeps_the_contract(cfg):
    assert check_head(cfg) == ("box", "obj", "cls")


@pytest.mark.parametrize("levels", [2, 4, 5])
def test_head_keeps_the_contract_at_other_numbers_of_levels(levels):
    cfg = dict(type="YOLOAnchorHead", num_classes=6, anchors=ANCHORS[:levels])
    check_head(cfg, [8] * levels, [8 * 2**level for level in range(levels)])
