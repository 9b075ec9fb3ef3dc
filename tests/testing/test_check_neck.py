"""A sound neck passes; each planted fault is told in a sentence of its own."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from yolo_plugins.errors import UsageError
from yolo_plugins.testing import check_neck


class Sound(nn.Module):
    """One convolution a map, each fed by the next coarser too; what the faulty ones below have in common."""

    def __init__(self, in_channels) -> None:
        super().__init__()
        self.out_channels = [8] * len(in_channels)
        self.laterals = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, 8, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
            for channels in in_channels
        )

    def forward(self, maps):
        outputs = [lateral(level) for lateral, level in zip(self.laterals, maps, strict=True)]
        above = [functional.interpolate(level, scale_factor=2) for level in outputs[1:]]
        return tuple(level + other for level, other in zip(outputs, [*above, 0], strict=True))


class WrongChannels(Sound):
    def __init__(self, in_channels) -> None:
        super().__init__(in_channels)
        self.out_channels[1] = 9


class Unstated(Sound):
    def __init__(self, in_channels) -> None:
        super().__init__(in_channels)
        del self.out_channels


class StatesOneMap(Sound):
    def __init__(self, in_channels) -> None:
        super().__init__(in_channels)
        self.out_channels = [8]


class ReturnsTwoMaps(Sound):
    def forward(self, maps):
        return super().forward(maps)[:2]


class AnotherStride(Sound):
    def forward(self, maps):
        fine, middle, coarse = super().forward(maps)
        return functional.interpolate(fine, scale_factor=2), middle, coarse


class TypedChannels(Sound):
    def __init__(self, in_channels) -> None:
        super().__init__([16, 32, 64])


class ChangesItsInput(Sound):
    def forward(self, maps):
        return super().forward([level.mul_(2) for level in maps])


class Unreached(Sound):
    def __init__(self, in_channels) -> None:
        super().__init__(in_channels)
        self.extra = nn.Conv2d(8, 8, 1)


class InfiniteGradient(Sound):
    def __init__(self, in_channels) -> None:
        super().__init__(in_channels)
        self.offset = nn.Parameter(torch.zeros(1))

    def forward(self, maps):
        return super().forward([level + self.offset.sqrt() for level in maps])


class RandomInEvaluation(Sound):
    def forward(self, maps):
        return super().forward([functional.dropout(level) for level in maps])


class HiddenState(Sound):
    def __init__(self, in_channels) -> None:
        super().__init__(in_channels)
        self.scale = torch.rand(1)

    def forward(self, maps):
        return super().forward([level * self.scale for level in maps])


class MixesImages(Sound):
    def forward(self, maps):
        return super().forward([level - level.mean(0) for level in maps])


class CountsOnMemoryOrder(Sound):
    def forward(self, maps):
        return super().forward([level.view(-1).view_as(level) for level in maps])


class LosesDigits(Sound):
    def forward(self, maps):
        return tuple((level + 1000) - 1000 for level in super().forward(maps))


class KeepsTensors(Sound):
    def forward(self, maps):
        self.last = super().forward(maps)
        return self.last


class SwitchesToSomethingElse(Sound):
    def __init__(self, in_channels) -> None:
        super().__init__(in_channels)
        self.in_deploy = False

    def __deepcopy__(self, memo):
        copied = type(self)([lateral[0].in_channels for lateral in self.laterals])
        copied.load_state_dict(self.state_dict())
        copied.train(self.training).in_deploy = True
        return copied

    def forward(self, maps):
        return super().forward([level * 2 for level in maps] if self.in_deploy else maps)


def faults(neck: type) -> list[str]:
    """The sentences, without the title."""
    with pytest.raises(UsageError) as caught:
        check_neck(dict(type=neck))
    title, *sentences = str(caught.value).split("\n- ")
    assert title == f"{neck.__name__} breaks the contract of a neck:"
    return sentences


def test_a_sound_neck_passes_and_is_summarised():
    params = sum(parameter.numel() for parameter in Sound([16, 32, 64]).parameters())
    assert str(check_neck(dict(type=Sound))) == f"{params} params, channels (8, 8, 8), strides (8, 16, 32)"


@pytest.mark.parametrize("strides", [(16, 32), (4, 8, 16, 32), (8, 16, 32, 64, 128)])
def test_it_is_tried_on_any_maps(strides):
    summary = check_neck(dict(type=Sound), in_channels=[6] * len(strides), strides=strides)
    assert summary.out_strides == strides


@pytest.mark.parametrize(
    ("neck", "words"),
    [
        (WrongChannels, "map 1 of a 128x128 input: out_channels states 9, it has 8; state these"),
        (Unstated, "out_channels is None; state one whole number for each map"),
        (StatesOneMap, "out_channels [8] for 3 maps; return one for each that came in"),
        (ReturnsTwoMaps, "forward returns 2 maps, out_channels [8, 8, 8] states 3; state each of them"),
        (AnotherStride, "map 0 of a 128x128 input: the map that came in has stride 8, its stride is 4; return a map"),
        (TypedChannels, "with in_channels [21, 37, 69]: forward ends in RuntimeError: Given groups=1, weight of size"),
        (ChangesItsInput, "forward changes its input; take operations that are not in place"),
        (Unreached, "no gradient reaches extra.weight, extra.bias; prune them"),
        (InfiniteGradient, "the gradient of offset is not finite; look for a division by zero"),
        (RandomInEvaluation, "two calls in evaluation mode differ; let what is random rest"),
        (HiddenState, "a second neck with its state dict gives other maps (off by"),
        (MixesImages, "each image by itself gives other maps (off by"),
        (CountsOnMemoryOrder, "a channels-last input ends in RuntimeError: view size is not compatible"),
        (LosesDigits, "bfloat16 autocast gives other maps (off by"),
        (KeepsTensors, "copy.deepcopy, which the moving average needs, ends in RuntimeError: Only Tensors created"),
        (SwitchesToSomethingElse, "to_deploy gives other maps (off by"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_planted_fault_is_told(neck, words):
    found = faults(neck)
    assert len([sentence for sentence in found if words in sentence]) == 1, found
