"""The contract of a backbone, checked on the built object: for the tests of those who write one.

Maps have to be exactly as stated (==, never <=), and what training, averaging, resuming and deploying do with a
backbone has to work. Inputs are small; a network of ResNet18's size takes about a second.
"""

from typing import Any

from torch import nn

from yolo_plugins.testing import contract
from yolo_plugins.testing.networks import (
    USUAL_STRIDE,
    MapsSummary,
    Subject,
    check_forward,
    check_gradients,
    check_maps,
    check_repeat,
    check_statements,
    form_faults,
    images_of,
)

MAP = "(N, C, H / stride, W / stride)"


def check_backbone(cfg: dict) -> MapsSummary:
    """Checks all that a detector expects of its backbone.

    Args:
        cfg: What stands in `model.backbone` of a config.

    Raises:
        UsageError: One sentence for each fault: what is stated, what was found, what to do.
    """
    with contract.steady_state():
        backbone = contract.build(cfg)
        faults = _find_faults(Subject(backbone, lambda: contract.build(cfg), nn.Identity()))
    contract.refuse(backbone, "backbone", faults)
    params = sum(parameter.numel() for parameter in backbone.parameters())
    return MapsSummary(params, tuple(backbone.out_channels), tuple(backbone.out_strides))


def _find_faults(subject: Subject) -> list[str]:
    """Sentences of all checks; they end where the others would only repeat what was found."""
    backbone: Any = subject.part
    faults = list(check_statements(backbone, "out_channels", "out_strides"))
    stated = not faults
    stride = backbone.out_strides[-1] if stated else USUAL_STRIDE
    backbone.eval()  # never chained: mmpretrain's networks return nothing
    fatal = contract.run("forward", backbone, check_forward, subject, stride, MAP)
    if fatal:
        return faults + fatal
    if stated:
        told = "out_strides states", "state that, or return another map"
        faults += contract.run("forward of another size", backbone, check_maps, subject, backbone.out_strides, *told)
    images = images_of((2, 4, 4), max(stride, USUAL_STRIDE))
    faults += contract.run("a training step", backbone, check_gradients, subject, images)
    fatal = contract.run("forward", backbone, check_repeat, subject, images)
    return faults + (fatal or form_faults(subject, "backbone", images))
