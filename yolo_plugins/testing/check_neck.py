"""The contract of a neck, checked on the built object: for the tests of those who write one."""

from collections.abc import Sequence
from typing import Any

from yolo_plugins.testing import contract
from yolo_plugins.testing.check_backbone import MAP
from yolo_plugins.testing.networks import (
    MapsOfImages,
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

_WIDER = 5  # channels that another backbone gives more of in each map


def check_neck(
    cfg: dict, in_channels: Sequence[int] = (16, 32, 64), strides: Sequence[int] = (8, 16, 32)
) -> MapsSummary:
    """Checks all that a detector expects of its neck.

    Args:
        cfg: What stands in `model.neck` of a config.
        in_channels: Channels of a backbone's maps, fine to coarse. Others are tried too.
        strides: Input pixels per cell of these maps, and so of those that the neck returns.

    Raises:
        UsageError: One sentence for each fault: what is stated, what was found, what to do.
    """
    with contract.steady_state():
        subject = _subject(cfg, in_channels, strides)
        faults = _find_faults(cfg, subject, in_channels, strides)
    neck = subject.part
    contract.refuse(neck, "neck", faults)
    params = sum(parameter.numel() for parameter in neck.parameters())
    return MapsSummary(params, tuple(neck.out_channels), tuple(strides))


def _subject(cfg: dict, in_channels: Sequence[int], strides: Sequence[int]) -> Subject:
    def rebuild() -> Any:
        return contract.build(cfg, in_channels=list(in_channels))

    return Subject(rebuild(), rebuild, MapsOfImages(in_channels, strides))


def _find_faults(cfg: dict, subject: Subject, in_channels: Sequence[int], strides: Sequence[int]) -> list[str]:
    """Sentences of all checks; they end where the others would only repeat what was found."""
    neck = subject.part
    faults = _faults_of_maps(subject, strides)
    if faults:
        return faults
    wider = [channels + _WIDER for channels in in_channels]
    others = contract.run("it", neck, lambda: iter(_faults_of_maps(_subject(cfg, wider, strides), strides)))
    faults = [f"with in_channels {wider}: {fault}" for fault in others]
    images = images_of((2, 4, 4), strides[-1])
    faults += contract.run("a training step", neck, check_gradients, subject, images)
    fatal = contract.run("forward", neck, check_repeat, subject, images)
    return faults + (fatal or form_faults(subject, "neck", images))


def _faults_of_maps(subject: Subject, strides: Sequence[int]) -> list[str]:
    neck = subject.part
    neck.eval()  # never chained: other packages' modules return nothing
    faults = list(check_statements(neck, "out_channels"))
    if not faults and len(neck.out_channels) != len(strides):
        stated = list(neck.out_channels)
        faults.append(f"out_channels {stated} for {len(strides)} maps; return one for each that came in")
    faults = faults or contract.run("forward", neck, check_forward, subject, strides[-1], MAP)
    told = "the map that came in has stride", "return a map of its stride"
    return faults or contract.run("forward of another size", neck, check_maps, subject, strides, *told)
