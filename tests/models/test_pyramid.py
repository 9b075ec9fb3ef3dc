"""PyramidBackbone: it finds the levels of any network, cuts off the rest, and refuses with a sentence."""

from typing import ClassVar
from urllib.error import URLError

import pytest
import torch
from mmpretrain.models import MobileNetV2, ResNet
from torch import nn

from yolo_plugins.config import load_config
from yolo_plugins.errors import UsageError
from yolo_plugins.models.backbones import PyramidBackbone
from yolo_plugins.models.backbones.build import build_net
from yolo_plugins.models.backbones.pretrained import describe_pretrained
from yolo_plugins.registry import MODELS

RESNET = dict(type="mmpretrain.ResNet", depth=18)


def wrap(net: dict | str, **options) -> PyramidBackbone:
    """A wrapped network: of mmpretrain by its config, of timm by its name."""
    net = net if isinstance(net, dict) else dict(type="timm", model_name=net)
    return MODELS.build(dict(type="PyramidBackbone", net=net, **options))


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture
def register():
    """Registers a network of a test under a name, until the test ends."""
    names = []

    def _register(name: str, net: type[nn.Module]) -> dict:
        MODELS.register_module(name=name, module=net)
        names.append(name)
        return dict(type=name)

    yield _register
    for name in names:
        del MODELS.module_dict[name]


# --- levels

# Parameters: the published count of the classifier without what lies after the last map. ResNet18 11,689,512 - fc
# 513,000; RepVGG-A0 (training form) 9,108,968 - 1,281,000; MobileNetV2 3,504,872 - 1,281,000 - conv 412,160;
# DenseNet121 7,978,856 - 1,025,000; InceptionV4 42,679,816 - 1,537,000; EfficientNet-B0 5,288,548 - 1,281,000 - same.
PUBLISHED = {
    "resnet18": ([128, 256, 512], 11_176_512),
    "repvgg": ([96, 192, 1280], 7_827_968),
    "mobilenetv2": ([32, 96, 320], 1_811_712),
    "densenet": ([512, 1024, 1024], 6_953_856),
    "inceptionv4": ([384, 1024, 1536], 41_142_816),
    "efficientnet": ([40, 112, 320], 3_595_388),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_backbones_of_the_study_have_the_published_parameters(name):
    backbone = MODELS.build(load_config(f"yolov5_{name}_voc").model.backbone)
    assert (backbone.out_channels, count(backbone)) == PUBLISHED[name]
    assert backbone.out_strides == [8, 16, 32]


def test_resnet18_detector_of_80_classes_has_the_parameters_that_flexible_yolov5_publishes():
    config = load_config("yolov5_resnet18_voc", ["model.bbox_head.num_classes=80"])
    assert count(MODELS.build(config.model)) == 14_240_445


@pytest.mark.parametrize(
    ("net", "channels"),
    [
        (dict(type="mmpretrain.MobileNetV3", arch="large"), [40, 112, 160]),
        (dict(type="mmpretrain.ShuffleNetV2"), [116, 232, 464]),
        (dict(type="mmpretrain.DenseNet", arch="121"), [128, 256, 1024]),
        (dict(type="mmpretrain.VGG", depth=11), [256, 512, 512]),
        (dict(type="mmdet.ResNeXt", depth=50), [512, 1024, 2048]),
        (dict(type="mmdet.Darknet"), [256, 512, 1024]),
        (dict(type="mmpretrain.ConvNeXt", arch="atto"), [80, 160, 320]),
        (dict(type="mmpretrain.SwinTransformer", arch="tiny"), [192, 384, 768]),
        (dict(type="timm", model_name="swin_tiny_patch4_window7_224", img_size=320), [192, 384, 768]),
        ("ghostnet_100", [40, 80, 160]),
    ],
    ids=str,
)
def test_levels_are_found_without_a_number_in_the_config(net, channels):
    backbone = wrap(net).eval()
    size = 320 if "img_size" in net else 64
    maps = backbone(torch.zeros(1, 3, size, size))
    assert [tuple(level.shape[1:]) for level in maps] == [
        (width, size // stride, size // stride) for width, stride in zip(channels, (8, 16, 32), strict=True)
    ]


def test_a_map_that_only_widens_another_for_a_classifier_is_passed_over_and_cut_off():
    backbone = wrap(dict(type="mmpretrain.MobileNetV2"))
    assert isinstance(backbone.net.conv2, nn.Identity)
    assert backbone.out_channels[-1] == 320


@pytest.mark.parametrize("net", [MobileNetV2(out_indices=(2, 4)), ResNet(18, out_indices=(1, 2))], ids=["v2", "resnet"])
def test_stages_after_the_last_level_are_cut_off_and_the_maps_stay_the_same(net):
    config = dict(type=f"mmpretrain.{type(net).__name__}", **({"depth": 18} if isinstance(net, ResNet) else {}))
    backbone = wrap(config, out_strides=(8, 16)).eval()
    weights = backbone.net.state_dict()
    net.load_state_dict(weights, strict=False)
    assert count(backbone) < count(net)
    net.eval()
    x = torch.rand(1, 3, 64, 64)
    expected = net((x - backbone.mean) / backbone.std)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(backbone(x), expected, strict=True))


def test_explicit_out_indices_are_taken():
    backbone = wrap(dict(type="mmpretrain.DenseNet", arch="121", out_indices=(0, 1, 3)))
    assert backbone.out_channels == [128, 256, 1024]


@pytest.mark.parametrize(
    ("net", "sentence"),
    [
        (dict(RESNET, out_indices=(0, 1)), r"no map of stride 16, 32: #0 64x32x48 \(stride 4\), #1 .*give out_indices"),
        ("inception_v4", r"no map of stride 8, 16, 32: .*384x13x21 \(no stride\).*pad its convolutions"),
        (dict(type="mmpretrain.VisionTransformer", arch="dinov2-small"), "#0 384 .no stride.*use its form for dense"),
        ("vit_tiny_patch16_224", r"does not run on a 256x320 image \(AssertionError: .*give that of your images"),
        (dict(type="timm", model_name="vit_tiny_patch16_224", img_size=64), "no map of stride 8, 32: .*stride 16"),
        (dict(type="mmpretrain.RepVGG", arch="Q0"), r"mmpretrain.RepVGG\(arch='Q0'\) cannot be built: .*arch_settings"),
        ("resnet5000", "timm knows no model_name='resnet5000'; nearest: resnet50"),
        (dict(RESNET, norm_eval=True), "give norm_eval to PyramidBackbone"),
        (dict(type="mmpretrain.InceptionV3"), "returns no list of maps"),
    ],
    ids=str,
)
def test_what_cannot_be_a_pyramid_is_refused_with_the_remedy(net, sentence):
    with pytest.raises(UsageError, match=sentence) as caught:
        wrap(net)
    assert "\n" not in str(caught.value)


class Counts(nn.Module):
    """It has eight maps and counts how often it is built."""

    built: ClassVar[list] = []

    def __init__(self, out_indices=(7,)) -> None:
        super().__init__()
        self.built.append(len(out_indices))
        if max(out_indices) > 7:
            raise ValueError(f"no map {max(out_indices)}")
        self.convs = nn.ModuleList(nn.Conv2d(3, 4 + index, 32, stride=32) for index in out_indices)

    def forward(self, x):
        return [conv(x) for conv in self.convs]


class CountsWithoutTelling(Counts):
    built: ClassVar[list] = []

    def __init__(self, out_indices=-1) -> None:
        super().__init__(out_indices)


class Refuses(nn.Module):
    """It cannot be built: with indices for one reason or another, without for a third."""

    def __init__(self, out_indices=None) -> None:
        super().__init__()
        if out_indices is None:
            raise RuntimeError("give out_indices\nin the config")
        raise AssertionError("too many" if len(out_indices) > 1 else "")


@pytest.mark.parametrize(("net", "most"), [(Counts, 3), (CountsWithoutTelling, 7)])
def test_all_maps_of_a_network_are_found_in_few_attempts(register, net, most):
    net.built.clear()
    assert len(build_net(register(net.__name__, net)).convs) == 8
    assert len(net.built) <= most


def test_a_network_that_takes_any_index_is_built_once():
    assert len(build_net(dict(type="mmpretrain.ConvNeXt", arch="atto")).out_indices) == 20


def test_every_reason_for_which_a_network_cannot_be_built_is_told(register):
    with pytest.raises(UsageError) as caught:
        build_net(register("Refuses", Refuses))
    assert str(caught.value) == (
        "Refuses() cannot be built: RuntimeError: give out_indices; AssertionError: too many; "
        "AssertionError: no reason given"
    )


class HidesParameters(nn.Module):
    """Its map depends on a parameter in a way that the graph does not show."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.hidden = nn.Conv2d(3, 4, 32, stride=32), nn.Conv2d(3, 4, 32, stride=32)

    def forward(self, x):
        return [self.conv(x) + self.hidden(x).detach()]


def test_an_influence_that_the_graph_does_not_show_is_refused(register):
    with pytest.raises(UsageError, match="depends on parameters of which its graph shows nothing; switch off check"):
        wrap(register("HidesParameters", HidesParameters), out_strides=(32,))


def test_what_the_code_counts_on_without_needing_it_stays_and_is_frozen():
    backbone = wrap("hrnet_w18_small", out_strides=(8, 16, 32))
    frozen = {name for name, value in backbone.named_parameters() if not value.requires_grad}
    assert frozen
    assert all(name.startswith("net.model.stage4.0.fuse_layers.0.") for name in frozen)
    assert isinstance(backbone.net.model.incre_modules[0], nn.Identity)


class LooseParameter(nn.Module):
    """It owns a parameter that no map needs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.mask_token = nn.Conv2d(3, 4, 32, stride=32), nn.Parameter(torch.zeros(4))

    def forward(self, x):
        return self.conv(x)


def test_parameters_outside_of_layers_are_cut_off_too(register):
    backbone = wrap(register("LooseParameter", LooseParameter), out_strides=(32,))
    assert [name for name, _ in backbone.named_parameters()] == ["net.conv.weight", "net.conv.bias"]


# --- settings


def test_norms_keep_the_settings_of_their_network():
    detector = MODELS.build(load_config("yolov5_resnet18_voc").model)
    assert (detector.backbone.net.bn1.eps, detector.backbone.net.bn1.momentum) == (1e-5, 0.1)
    assert (detector.neck.laterals[0].bn.eps, detector.neck.laterals[0].bn.momentum) == (1e-3, 0.03)


def test_images_are_normalised_as_the_published_weights_expect():
    assert wrap("resnet18").mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    assert wrap(dict(type="InceptionV4")).std.flatten().tolist() == pytest.approx([0.5, 0.5, 0.5])
    backbone = wrap(RESNET).eval()
    black = backbone.net((0 - backbone.mean / backbone.std).expand(1, 3, 64, 64))
    assert torch.equal(backbone(torch.zeros(1, 3, 64, 64))[0], black[1])


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_frozen_stages_mean_what_they_mean_in_a_resnet(stages):
    theirs, ours = ResNet(18, frozen_stages=stages), wrap(RESNET, frozen_stages=stages).train().net
    theirs.train()
    frozen = {name for name, parameter in theirs.named_parameters() if not parameter.requires_grad}
    assert {name for name, parameter in ours.named_parameters() if not parameter.requires_grad} == frozen
    norms = [name for name, module in ours.named_modules() if isinstance(module, nn.BatchNorm2d)]
    assert all(ours.get_submodule(name).training == theirs.get_submodule(name).training for name in norms)


def test_a_stage_that_does_not_exist_cannot_be_frozen():
    with pytest.raises(UsageError, match=r"frozen_stages=5: .* has no such stage; use -1 or one of \[1, 2, 3, 4\]"):
        wrap(RESNET, frozen_stages=5)


@pytest.mark.parametrize("library", ["mmdet", "mmpretrain"])
@pytest.mark.parametrize("norm_eval", [True, False])
def test_norm_eval_is_decided_by_the_wrapper_alone(library, norm_eval):
    backbone = wrap(dict(type=f"{library}.ResNet", depth=18), norm_eval=norm_eval).train()
    norms = [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {module.training for module in norms} == {not norm_eval}
    assert backbone.net.layer1.training


# --- published weights


def test_weights_of_a_classifier_file_are_loaded_when_the_weights_are_initialised(tmp_path):
    theirs = ResNet(18)
    state = {f"backbone.{key}": value for key, value in theirs.state_dict().items()}
    torch.save(dict(state_dict=state | {"head.fc.weight": torch.zeros(2)}, meta={}), tmp_path / "resnet18.pth")
    backbone = wrap(RESNET, pretrained=str(tmp_path / "resnet18.pth"))
    assert not torch.equal(backbone.net.conv1.weight, theirs.conv1.weight)
    backbone.init_weights()
    assert all(torch.equal(value, theirs.state_dict()[key]) for key, value in backbone.net.state_dict().items())


def test_weights_of_a_timm_file_are_loaded(tmp_path):
    import timm

    theirs = timm.create_model("densenet121")
    torch.save(theirs.state_dict(), tmp_path / "densenet.pth")
    backbone = wrap("densenet121", pretrained=str(tmp_path / "densenet.pth"))
    backbone.init_weights()
    assert torch.equal(backbone.net.model.features_conv0.weight, theirs.features.conv0.weight)
    assert torch.equal(backbone.net.model.features_norm5.weight, theirs.features.norm5.weight)


@pytest.mark.parametrize(
    ("net", "source", "known"),
    [
        ({"type": "timm", "model_name": "resnet18"}, True, ("ImageNet-1k", 0.73158)),
        ({"type": "timm", "model_name": "resnet18.tv_in1k"}, True, ("ImageNet-1k", 0.6976)),
        ({"type": "timm", "model_name": "resnet18.fb_swsl_ig1b_ft_in1k"}, True, (None, None)),
        ({"type": "timm", "model_name": "convnext_tiny.in12k_ft_in1k"}, True, (None, None)),
        ({"type": "timm", "model_name": "resnet18"}, "resnet18.pth", (None, None)),
        (RESNET, "resnet18_8xb32_in1k", ("ImageNet-1k", 0.699)),
        (RESNET, "https://example.org/resnet18.pth", (None, None)),
    ],
)
def test_what_is_known_of_published_weights(net, source, known):
    assert describe_pretrained(net, source) == known


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save(ResNet(34).state_dict(), tmp_path / "resnet34.pth")
    torch.save(MobileNetV2().state_dict(), tmp_path / "v2.pth")
    wrap(RESNET, pretrained=str(tmp_path / "resnet34.pth")).init_weights()  # ResNet34 holds all that ResNet18 has
    with pytest.raises(UsageError, match=r"v2.pth.*: 120 of 120 entries of mmpretrain.ResNet\(depth=18\) are missing"):
        wrap(RESNET, pretrained=str(tmp_path / "v2.pth")).init_weights()


@pytest.mark.parametrize(
    ("net", "pretrained", "sentence"),
    [
        (RESNET, True, "pretrained=True: mmpretrain.ResNet has no weights of its own choice; give a file"),
        (RESNET, "no_such_model", "'no_such_model' is neither a file nor an address nor a model with weights"),
        (RESNET, "resnet18_8xb32_in1k", r"resnet18_8xb32_in1k_\w+-\w+\.pth cannot be fetched .*check the network"),
        (
            RESNET,
            "https://example.org/x.pth",
            r"https://example.org/x.pth cannot be fetched .*give a local file",
        ),
    ],
)
def test_weights_that_cannot_be_had_are_one_sentence(net, pretrained, sentence, monkeypatch, tmp_path):
    def unplugged(*_):
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unplugged)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(UsageError, match=sentence):
        wrap(net, pretrained=pretrained).init_weights()


def test_timm_weights_that_cannot_be_fetched_are_one_sentence(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UsageError, match=r"pretrained=True of timm's resnet18 cannot be fetched .*check the network"):
        wrap("resnet18", pretrained=True).init_weights()


def test_weights_within_net_are_sent_to_the_one_place_for_them():
    with pytest.raises(
        UsageError, match=r"checkpoint_path='x\.pth'.*: give the file to PyramidBackbone.*as pretrained="
    ):
        wrap(dict(type="timm", model_name="resnet18", checkpoint_path="x.pth"))
