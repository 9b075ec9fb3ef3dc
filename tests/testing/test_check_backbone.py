"""A sound backbone passes; each planted fault is told in a sentence of its own."""

import inspect

import pytest
import torch
from mmengine.registry import DefaultScope
from torch import nn
from torch.nn import functional

from yolo_plugins.errors import UsageError
from yolo_plugins.models.deploy.compare import difference
from yolo_plugins.registry import MODELS
from yolo_plugins.testing import check_backbone, networks
from yolo_plugins.testing.norms import settle_norms


def halving(inside: int, outside: int) -> nn.Sequential:
    layers = [nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(outside), nn.ReLU()]
    return nn.Sequential(*layers)


class Sound(nn.Module):
    """Four halvings and two maps; what the faulty ones below have in common."""

    out_channels = (8, 16)
    out_strides = (8, 16)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(halving(3, 4), halving(4, 4))
        self.fine, self.coarse = halving(4, 8), halving(8, 16)

    def forward(self, x):
        fine = self.fine(self.stem(x))
        return fine, self.coarse(fine)


class WrongStride(Sound):
    out_strides = (8, 32)


class WrongChannels(Sound):
    out_channels = (8, 24)


class OffGrid(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.coarse[0].padding = (0, 0)


class NotIncreasing(Sound):
    out_strides = (16, 8)


class Unstated(Sound):
    out_channels = None


class OfAnotherLength(Sound):
    out_channels = (8,)


class OneMapOfTwo(Sound):
    def forward(self, x):
        return super().forward(x)[:1]


class BareTensor(Sound):
    def forward(self, x):
        return super().forward(x)[1]


class ChangesItsInput(Sound):
    def forward(self, x):
        return super().forward(x.sub_(0.5))


class Unreached(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(16, 10)


class Frozen(Unreached):
    def __init__(self) -> None:
        super().__init__()
        self.classifier.requires_grad_(False)


class InfiniteGradient(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return super().forward(x + self.offset.sqrt())


class RandomInEvaluation(Sound):
    def forward(self, x):
        return super().forward(functional.dropout(x))


class HiddenState(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.rand(1)

    def forward(self, x):
        return super().forward(x * self.scale)


class MixesImages(Sound):
    def forward(self, x):
        return super().forward(x - x.mean(0))


class CountsOnMemoryOrder(Sound):
    def forward(self, x):
        return super().forward(x.view(-1).view_as(x))


class LosesDigits(Sound):
    def forward(self, x):
        return tuple((level + 1000) - 1000 for level in super().forward(x))


class KeepsTensors(Sound):
    def forward(self, x):
        self.last = super().forward(x)
        return self.last


class Raises(Sound):
    def forward(self, x):
        return super().forward(x[:, :2])


class RaisesWhenBuilt(Sound):
    def __init__(self) -> None:
        super().__init__()
        raise ValueError("arch 'Z9' is unknown")


def faults(backbone: type) -> list[str]:
    """The sentences, without the title."""
    with pytest.raises(UsageError) as caught:
        check_backbone(dict(type=backbone))
    title, *sentences = str(caught.value).split("\n- ")
    assert title == f"{backbone.__name__} breaks the contract of a backbone:"
    return sentences


@pytest.mark.parametrize("backbone", [Sound, Frozen])
def test_a_sound_backbone_passes_and_is_summarised(backbone):
    summary = check_backbone(dict(type=backbone))
    assert (summary.out_channels, summary.out_strides) == ((8, 16), (8, 16))
    assert summary.params == sum(parameter.numel() for parameter in backbone().parameters())
    assert str(summary) == f"{summary.params:,} params, channels (8, 16), strides (8, 16)"


def test_our_backbone_passes():
    summary = check_backbone(dict(type="YOLOv5CSP", deepen_factor=0.33, widen_factor=0.125))
    assert summary.out_channels == (32, 64, 128)


def test_a_wrapped_network_passes():
    net = dict(type="mmpretrain.MobileNetV2", widen_factor=0.25)
    assert check_backbone(dict(type="PyramidBackbone", net=net)).out_strides == (8, 16, 32)


@pytest.mark.parametrize(
    ("backbone", "words"),
    [
        (WrongStride, "map 1 of a 128x128 input: out_strides states 32, its stride is 16; state that"),
        (WrongChannels, "map 1 of a 64x64 input: out_channels states 24, it has 16; state these"),
        (OffGrid, "map 1 of a 64x64 input: it is 3x3, which no stride gives; pad so that every halving is exact"),
        (NotIncreasing, "out_strides [16, 8] do not increase; return one map a stride, fine to coarse"),
        (Unstated, "out_channels is None; state one whole number for each map"),
        (OfAnotherLength, "out_channels [8] and out_strides [8, 16] differ in length; state both for each map"),
        (OneMapOfTwo, "forward returns 1 maps, out_channels [8, 16] states 2; state each of them"),
        (BareTensor, "forward returns Tensor(1, 16, 4, 4); return a tuple of maps (N, C, H / stride, W / stride)"),
        (ChangesItsInput, "forward changes its input; take operations that are not in place"),
        (Unreached, "no gradient reaches classifier.weight, classifier.bias; prune them, or return the level"),
        (InfiniteGradient, "the gradient of offset is not finite; look for a division by zero, or its root"),
        (RandomInEvaluation, "two calls in evaluation mode differ; let what is random rest"),
        (HiddenState, "a second backbone with its state dict gives other maps (off by"),
        (MixesImages, "each image by itself gives other maps (off by"),
        (CountsOnMemoryOrder, "a channels-last input ends in RuntimeError: view size is not compatible"),
        (LosesDigits, "bfloat16 autocast gives other maps (off by"),
        (KeepsTensors, "copy.deepcopy, which the moving average needs, ends in RuntimeError: Only Tensors created"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_planted_fault_is_told(backbone, words):
    found = faults(backbone)
    assert len([sentence for sentence in found if words in sentence]) == 1, found


def test_an_exception_in_forward_is_told_once_with_its_place():
    (sentence,) = faults(Raises)
    line = inspect.getsourcelines(Raises)[1] + 2
    assert sentence.startswith("forward ends in RuntimeError: Given groups=1, weight of size [4, 3, 3, 3]")
    assert f"{__file__}:" in sentence
    assert f"{__file__}:{line}" not in sentence  # the deepest place of the author's: Sound.forward, which it calls
    assert sentence.endswith(f"{__file__}:{inspect.getsourcelines(Sound.forward)[1] + 1})")


def test_an_exception_while_building_is_told_with_its_place():
    with pytest.raises(UsageError, match=r"cannot be built: ValueError: arch 'Z9' is unknown \(.*test_check_backbone"):
        check_backbone(dict(type=RaisesWhenBuilt))


@pytest.mark.parametrize(
    ("cfg", "words"),
    [
        (dict(type="YOLOv5CPS"), "unknown type='YOLOv5CPS' (model); did you mean 'YOLOv5CSP'?"),
        (dict(type="YOLOv5CSP", widen=1), "YOLOv5CSP takes no 'widen'; did you mean 'widen_factor'?"),
    ],
)
def test_a_config_with_a_wrong_name_is_told_with_the_nearest(cfg, words):
    with pytest.raises(UsageError) as caught:
        check_backbone(cfg)
    assert str(caught.value) == f"{cfg['type']} cannot be built: {words}"


def test_all_faults_are_told_together():
    class Twice(Unreached, HiddenState):
        out_strides = (8, 32)

    assert [sentence.split()[0] for sentence in faults(Twice)] == ["map", "no", "a"]


def test_the_deploy_form_is_compared(monkeypatch):
    """With norms as after a training, a deploy form that forgets one of them does not pass."""

    def to_deploy(backbone):
        deployed = Sound()
        deployed.load_state_dict(backbone.state_dict())
        deployed.coarse[1] = nn.Identity()
        return deployed.eval()

    monkeypatch.setattr(networks, "to_deploy", lambda network, _: nn.Sequential(network[0], to_deploy(network[1])))
    (sentence,) = faults(Sound)
    assert sentence.startswith("to_deploy gives other maps (off by")


def test_global_state_is_left_as_it_was():
    state, scope = torch.get_rng_state(), scope_name()
    check_backbone(dict(type=Sound))
    faults(Raises)
    assert torch.equal(torch.get_rng_state(), state)
    assert scope_name() == scope


def scope_name():
    scope = DefaultScope.get_current_instance()
    return scope and scope.scope_name


@pytest.mark.parametrize("net", [dict(type="InceptionV4"), dict(type="mmpretrain.RepVGG", arch="A0")])
def test_settled_norms_let_the_image_reach_the_last_map_and_rounding_stay_small(net):
    torch.manual_seed(0)
    backbone = MODELS.build(dict(type="PyramidBackbone", net=net)).eval()
    images = torch.rand(2, 3, 96, 160)
    settle_norms(backbone, images)
    with torch.no_grad():
        batch, single = backbone(images)[-1], backbone(images[:1])[-1]
    assert 1e-2 < difference(batch[:1], batch[1:]) < 2
    assert difference(single, batch[:1]) < 5e-5
