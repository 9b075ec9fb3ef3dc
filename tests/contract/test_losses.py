"""Every loss of ours signs the contract that third parties sign, with every kind of IoU and option."""

import pytest

from yolo_plugins.models import losses
from yolo_plugins.models.losses import IOU_KINDS
from yolo_plugins.registry import MODELS
from yolo_plugins.testing import check_loss

OPTIONS = [
    dict(),
    *(dict(loss_box=dict(iou=kind)) for kind in IOU_KINDS),
    dict(loss_obj=dict(gamma=2, alpha=0.25), loss_cls=dict(gamma=1.5, label_smoothing=0.1)),
    dict(loss_obj=dict(pos_weight=2, iou_ratio=0.5), loss_cls=dict(pos_weight=2)),
    dict(reference_size=None, balance=(4.0, 1.0, 0.4), auto_balance=True),
]
CONFIGS = {"YOLOLoss": [dict(type="YOLOLoss", **options) for options in OPTIONS]}


def test_every_registered_loss_is_checked():
    MODELS.import_from_location()
    registered = {name for name, known in MODELS.module_dict.items() if known.__module__.startswith(losses.__name__)}
    assert registered == CONFIGS.keys()


@pytest.mark.parametrize("cfg", CONFIGS["YOLOLoss"], ids=str)
def test_loss_keeps_the_contract(cfg):
    assert check_loss(cfg) == ("box", "obj", "cls")


@pytest.mark.parametrize("levels", [1, 2, 4, 5])
def test_loss_keeps_the_contract_at_other_numbers_of_levels(levels):
    check_loss(dict(type="YOLOLoss"), levels)
