"""The deploy form: the same outputs from fewer operations, and a report that tells what was done."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision.ops import FrozenBatchNorm2d

from yolo_plugins.errors import UsageError
from yolo_plugins.models import to_deploy
from yolo_plugins.models.deploy.compare import difference
from yolo_plugins.registry import MODELS

INPUT_HW = (32, 64)
NOT_BEHIND = "no convolution or linear layer is directly before it"
USED_TWICE = "the output of the layer before it is used elsewhere too"
TWICE = "it runs more than once"


def norms(module: nn.Module) -> list[nn.Module]:
    return [part for part in module.modules() if hasattr(part, "running_var")]


@torch.no_grad()
def trained(module: nn.Module) -> nn.Module:
    """As a training might leave it: initial statistics would hide a fault."""
    generator = torch.Generator().manual_seed(1)
    for norm in norms(module):
        if norm.running_var is not None:
            norm.running_mean.copy_(torch.randn(norm.running_mean.shape, generator=generator) * 0.3)
            norm.running_var.copy_(torch.rand(norm.running_var.shape, generator=generator) + 0.5)
        if norm.weight is not None:
            norm.weight.copy_(torch.rand(norm.weight.shape, generator=generator) + 0.5)
            norm.bias.copy_(torch.randn(norm.bias.shape, generator=generator) * 0.3)
    return module


def deployed(module: nn.Module, input_hw: tuple[int, int] = INPUT_HW) -> nn.Module:
    """The deploy form of a trained module, after its outputs were compared on other images than it was made with."""
    trained(module)
    module.eval()
    deploy = to_deploy(module, input_hw)
    images = torch.rand(2, 3, *input_hw, generator=torch.Generator().manual_seed(2)) * 2 - 0.5
    with torch.no_grad():
        assert difference(deploy(images.clone()), module(images.clone())) <= 1e-4
    assert deploy.deploy_report.difference <= 1e-4
    return deploy


class Net(nn.Module):
    """Layers by name, and how they are wired."""

    def __init__(self, wiring, **layers: nn.Module) -> None:
        super().__init__()
        self.wiring = wiring
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x):
        return self.wiring(self, x)


def conv(in_channels: int = 3, out_channels: int = 8, **options) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, padding=1, **options)


def report(module: nn.Module):
    return deployed(module).deploy_report


# Networks


@pytest.mark.parametrize(
    ("model_name", "fused", "reparameterized", "left"),
    [
        ("densenet121", 59, 0, 62),  # half of its norms stand after a concatenation
        ("ghostnet_100", 80, 0, 0),
        ("mobilenetv3_small_100", 34, 0, 0),  # norm and activation in one class
        ("tf_mobilenetv3_small_075", 34, 0, 0),  # convolutions that pad for themselves
        ("mobileone_s0", 0, 43, 0),  # reparameterize()
        ("repvit_m0_9", 0, 1, 0),  # fuse() of the whole
        ("levit_conv_128s", 0, 52, 0),  # fuse() returns the replacement
        ("resnetv2_18", 8, 0, 9),  # norm before convolution
    ],
)
def test_networks_of_timm_give_the_same_outputs(model_name, fused, reparameterized, left):
    timm = pytest.importorskip("timm")
    net = timm.create_model(model_name)
    found = deployed(net, (224, 224) if model_name.startswith("levit") else (64, 96)).deploy_report
    assert (len(found.fused), len(found.reparameterized), len(found.not_fused)) == (fused, reparameterized, left)
    assert set(found.fused) <= dict(net.named_modules()).keys()


def test_repvgg_becomes_plain_convolutions():
    net = MODELS.build(dict(type="mmpretrain.RepVGG", arch="A0", _scope_="mmpretrain"))
    form = deployed(net, (64, 96))
    assert form.deploy_report.reparameterized == ("RepVGG",)
    assert not norms(form)
    assert sum(isinstance(layer, nn.Conv2d) for layer in form.modules()) == 22


def test_yolov5_has_no_batch_norm_left_and_keeps_the_names_of_its_weights(build_yolov5):
    detector = build_yolov5()
    form = deployed(detector, (64, 96))
    assert not norms(form)
    assert form.deploy_report.not_fused == {}
    convs = {name for name, layer in detector.named_modules() if isinstance(layer, nn.Conv2d)}
    assert set(form.deploy_report.fused) == {name for name in convs if "predictors" not in name}
    assert form.state_dict().keys() == {f"{name}.{kind}" for name in convs for kind in ("weight", "bias")}


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_outputs_are_the_same_with_and_without_gradients(build_yolov5, mode):
    detector = trained(build_yolov5()).eval()
    images = torch.rand(2, 3, 64, 64)
    with mode():
        assert difference(to_deploy(detector)(images), detector(images)) <= 1e-4


# What is folded


@pytest.mark.parametrize(
    ("layer", "norm"),
    [
        (conv(), nn.BatchNorm2d(8)),
        (conv(bias=False, padding_mode="reflect"), nn.BatchNorm2d(8, affine=False)),
        (nn.Conv2d(3, 9, (1, 3), (2, 1), groups=3, dilation=2), nn.SyncBatchNorm(9)),
        (nn.Conv2d(3, 8, 3, padding="same"), FrozenBatchNorm2d(8)),
        (nn.ConvTranspose2d(3, 8, 2, 2), nn.BatchNorm2d(8)),
        (nn.ConvTranspose2d(3, 6, 2, 2, groups=3), nn.BatchNorm2d(6)),
        (nn.Conv2d(3, 8, 1), nn.InstanceNorm2d(8, affine=True, track_running_stats=True)),
        (nn.Sequential(nn.Flatten(1, 2), nn.Conv1d(96, 8, 3)), nn.BatchNorm1d(8)),
        (nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 64, 8)), nn.BatchNorm1d(8)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_norm_after_a_layer_is_folded_or_reported(layer, norm):
    found = deployed(nn.Sequential(layer, norm)).deploy_report
    grouped = isinstance(layer, nn.ConvTranspose2d) and layer.groups > 1
    assert (len(found.fused), list(found.not_fused)) == ((0, ["1"]) if grouped else (1, []))


def test_order_of_registration_does_not_matter():
    found = report(Net(lambda net, x: net.bn(net.conv(x)), bn=nn.BatchNorm2d(8), conv=conv()))
    assert found.fused == ("conv",)


def test_networks_may_write_into_their_input():
    net = Net(
        lambda net, x: net.bn(net.conv(net.block(x.mul_(2)))), block=Branches(), conv=conv(), bn=nn.BatchNorm2d(8)
    )
    found = report(net)
    assert (found.fused, found.reparameterized) == (("conv",), ("block",))


def test_modules_of_two_names_are_replaced_under_both():
    net = Net(lambda net, x: net.other(net.conv(x)), conv=conv(), bn=nn.BatchNorm2d(8))
    net.other = net.bn
    form = deployed(net)
    assert form.deploy_report.fused == ("conv",)
    assert isinstance(form.bn, nn.Identity) and isinstance(form.other, nn.Identity)


# What must not be folded


class StandardizedConv(nn.Conv2d):
    def forward(self, x):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return functional.conv2d(x, weight / weight.std((1, 2, 3), keepdim=True), self.bias)


def masked(net: Net, x):
    y = net.conv(x)
    return net.bn(y) * (y > 0)  # a use that no gradient shows


TRAPS = {
    "activation between": (lambda net, x: net.bn(net.conv(x).relu()), NOT_BEHIND),
    "activation in place between": (lambda net, x: net.bn(net.conv(x).relu_()), USED_TWICE),
    "residual": (lambda net, x: net.bn(y := net.conv(x)) + y, USED_TWICE),
    "returned": (lambda net, x: (y := net.conv(x), net.bn(y)), USED_TWICE),
    "mask": (masked, USED_TWICE),
    "conv twice": (lambda net, x: net.bn(net.conv(x)) + net.conv(x + 1), "the layer before it runs more than once"),
    "norm twice": (lambda net, x: net.bn(net.conv(x)) + net.bn(x.repeat(1, 3, 1, 1)[:, :8]), TWICE),
    "norm unused": (lambda net, x: net.conv(x), "it does not run"),
    "weights read elsewhere": (
        lambda net, x: net.bn(net.conv(x)) * net.conv.weight.mean(),
        "the result differs by",
    ),
    "norm read elsewhere": (lambda net, x: net.bn(net.conv(x)) * net.bn.weight.mean(), "AttributeError: "),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_norm_stays_where_folding_it_would_change_the_outputs(trap):
    wiring, reason = TRAPS[trap]
    found = report(Net(wiring, conv=conv(), bn=nn.BatchNorm2d(8)))
    assert found.fused == ()
    assert list(found.not_fused) == ["bn"]
    assert found.not_fused["bn"].startswith(reason)


def test_conv_with_two_norms_keeps_both():
    layers = dict(conv=conv(), one=nn.BatchNorm2d(8), two=nn.BatchNorm2d(8))
    found = report(Net(lambda net, x: net.one(y := net.conv(x)) + net.two(y), **layers))
    assert found.not_fused == dict.fromkeys(("one", "two"), USED_TWICE)


def test_weights_that_the_layer_changes_as_it_runs_are_not_folded():
    found = report(nn.Sequential(StandardizedConv(3, 8, 3), nn.BatchNorm2d(8), conv(8), nn.BatchNorm2d(8)))
    assert found.fused == ("2",)
    assert found.not_fused["1"].startswith("the result differs by")


def test_each_layer_is_compared_for_itself_since_a_network_may_hide_a_fault():
    layers = dict(conv=StandardizedConv(3, 8, 1), bn=nn.BatchNorm2d(8), main=nn.Conv2d(3, 8, 1))
    assert report(Net(lambda net, x: net.main(x) + 1e-7 * net.bn(net.conv(x)), **layers)).fused == ()


def test_norm_with_the_statistics_of_its_input_stays():
    found = report(nn.Sequential(conv(), nn.BatchNorm2d(8, track_running_stats=False)))
    assert list(found.not_fused) == ["1"]


def test_modules_that_the_network_calls_by_other_ways_are_put_back_and_the_others_stay_folded():
    pairs = [nn.Sequential(conv(3 if i == 0 else 8), nn.BatchNorm2d(8)) for i in range(5)]
    net = Net(lambda net, x: net.calls[1](net.calls[0](net.rest(x))), rest=nn.Sequential(*pairs[:-1]), last=pairs[-1])
    net.calls = list(pairs[-1])  # a list that no module knows
    found = report(net)
    assert found.fused == ("rest.0.0", "rest.1.0", "rest.2.0", "rest.3.0")
    assert found.not_fused == {"last.1": "the network calls what was replaced, by a reference that is no module"}


# Switches of other authors


class Branches(nn.Module):
    """A 3x3 and a 1x1 convolution, which its switch adds up; its variants have faults."""

    def __init__(self) -> None:
        super().__init__()
        self.conv3, self.conv1 = conv(3, 3), nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return self.conv3(x) + self.conv1(x) if hasattr(self, "conv1") else self.conv3(x)

    def switch_to_deploy(self) -> None:
        merged = conv(3, 3)  # draws weights, as such switches do
        merged.weight.data = self.conv3.weight.data + functional.pad(self.conv1.weight.data, [1, 1, 1, 1])
        merged.bias.data = self.conv3.bias.data + self.conv1.bias.data
        self.conv3 = merged
        del self.conv1


class Replacing(Branches):
    switch_to_deploy = None

    def fuse(self) -> nn.Module:
        Branches.switch_to_deploy(self)
        return self.conv3


class Lying(Branches):
    def switch_to_deploy(self) -> None:
        del self.conv1


class Raising(Branches):
    def switch_to_deploy(self) -> None:
        del self.conv3
        raise RuntimeError("no such branch\nreally")


class LyingOutside(nn.Module):
    """Its own switch loses a block, those of its blocks are right."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(Branches(), Raising(), Branches())

    def forward(self, x):
        return self.blocks(x)

    def reparameterize(self) -> None:
        self.blocks[0] = nn.Identity()


class NoSwitch(nn.Module):
    """Of the names of switches, but a layer, a method with arguments, and one that changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.fuse = conv(3, 3)

    def forward(self, x):
        return self.fuse(x)

    def switch_to_deploy(self, inputs):
        raise AssertionError

    def reparameterize(self):
        return self.fuse.weight * 2


@pytest.mark.parametrize("kind", [Branches, Replacing])
def test_modules_use_their_own_switch(kind):
    block = kind()
    form = deployed(nn.Sequential(block, nn.ReLU(), block, kind()))
    assert form.deploy_report.reparameterized == ("0", "3")
    assert form[0] is form[2]
    assert sum(isinstance(layer, nn.Conv2d) for layer in form.modules()) == 2


def test_a_network_may_replace_itself():
    assert isinstance(deployed(Replacing()), nn.Conv2d)


def test_switch_that_changes_the_outputs_is_not_used():
    found = report(nn.Sequential(Branches(), Lying()))
    assert found.reparameterized == ("0",)
    assert found.not_fused["1"].startswith("after its switch, the result differs by")


def test_switch_that_raises_leaves_the_module_as_it_was():
    found = report(nn.Sequential(Raising(), Branches()))
    assert found.reparameterized == ("1",)
    assert found.not_fused == {"0": "its switch fails: RuntimeError: no such branch"}


def test_blocks_use_their_switch_where_the_one_around_them_fails():
    found = report(LyingOutside())
    assert found.reparameterized == ("blocks.0", "blocks.2")
    assert list(found.not_fused) == ["LyingOutside", "blocks.1"]


def test_switches_that_are_right_alone_but_not_in_the_network_are_all_taken_back():
    net = Net(lambda net, x: net.block(x) * net.block.conv1.weight.mean(), block=Branches())
    found = report(net)
    assert found.reparameterized == ()
    assert found.not_fused["block"].startswith("after all switches of the network, AttributeError: ")


class Flag(NoSwitch):
    switch_to_deploy = True


@pytest.mark.parametrize("kind", [NoSwitch, Flag])
def test_layers_flags_and_other_methods_of_such_names_are_no_switches(kind):
    found = report(kind())
    assert (found.reparameterized, found.not_fused) == ((), {})


# Beyond the trial image


def test_convolutions_with_the_code_of_others_around_them_keep_it():
    net = nn.Sequential(conv(), nn.ReLU(), conv(8), nn.BatchNorm2d(8), conv(8), nn.BatchNorm2d(8))
    net[0].register_forward_hook(lambda layer, inputs, output: output * 2)
    net[2].register_forward_pre_hook(lambda layer, inputs: inputs[0] * 2)
    net[4].register_forward_hook(lambda layer, inputs, output: output * 2)
    form = deployed(net)
    assert (form.deploy_report.fused, list(form.deploy_report.not_fused)) == (("2",), ["5"])


def test_sizes_and_batches_other_than_the_trial_image_run(build_yolov5):
    detector = trained(build_yolov5()).eval()
    form = to_deploy(detector)
    with torch.inference_mode():
        for shape in ((1, 3, 64, 64), (3, 3, 96, 32)):
            images = torch.rand(shape)
            assert difference(form(images), detector(images)) <= 1e-4
        assert form.backbone.stem(torch.rand(0, 3, 64, 64)).shape == (0, 8, 32, 32)
        assert form.backbone.stem(torch.rand(3, 64, 64)).shape == (8, 32, 32)


def test_gradients_of_the_image_flow_through_it():
    net = trained(nn.Sequential(conv(), nn.BatchNorm2d(8), nn.SiLU())).eval()
    gradients = []
    for form in (to_deploy(net, INPUT_HW), net):
        image = torch.linspace(0, 1, 3 * 64, requires_grad=True)
        form(image.view(1, 3, 8, 8)).square().sum().backward()
        gradients.append(image.grad)
    assert difference(*gradients) <= 1e-4


def test_it_can_be_copied_and_saved_after_it_has_run(build_yolov5, tmp_path):
    form, images = to_deploy(trained(build_yolov5())), torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        expected = form(images)
        torch.save(form.state_dict(), tmp_path / "deployed.pth")
        again = copy.deepcopy(form)
        again.load_state_dict(torch.load(tmp_path / "deployed.pth"))
        assert difference(again(images), expected) == 0
    assert again.deploy_report == form.deploy_report


# The function as a whole


def test_given_network_and_random_state_are_left_as_they_are():
    net = trained(nn.Sequential(Branches(), conv(), nn.BatchNorm2d(8), nn.ReLU(inplace=True))).train()
    before, random = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    form = to_deploy(net, INPUT_HW)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert all(module.training and not module._forward_hooks for module in net.modules())
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert not any(module.training or module._forward_hooks for module in form.modules())
    assert not any(parameter.requires_grad for parameter in form.parameters())


def test_frozen_weights_and_inference_mode_do_not_hide_what_follows_what():
    net = trained(nn.Sequential(conv(), nn.BatchNorm2d(8))).requires_grad_(False)
    with torch.inference_mode():
        form = to_deploy(net, INPUT_HW)
    assert form.deploy_report.fused == ("0",)
    form.load_state_dict(form.state_dict())  # inference tensors would refuse


def test_deploy_form_of_a_deploy_form_is_the_same():
    once = deployed(nn.Sequential(conv(), nn.BatchNorm2d(8), nn.ReLU()))
    twice = to_deploy(once, INPUT_HW)
    assert (twice.deploy_report.fused, twice.deploy_report.difference) == ((), 0)


def test_wrong_size_is_refused_with_the_remedy(build_yolov5):
    with pytest.raises(UsageError, match=r"^input size 50x64 \(height x width\) is not a multiple .* use img_size=64$"):
        to_deploy(build_yolov5(), (50, 64))
    narrow = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2))
    with pytest.raises(
        UsageError, match=r"Sequential does not run on an image of 4x4 pixels .*give a size that it takes"
    ):
        to_deploy(narrow, (4, 4))


def test_network_that_returns_no_tensors_is_refused():
    with pytest.raises(UsageError, match="Net returns str without tensors"):
        to_deploy(Net(lambda net, x: "boxes"))


def test_report_reads_as_a_short_text():
    layers = [conv(), nn.BatchNorm2d(8), nn.ReLU(), nn.BatchNorm2d(8), nn.ReLU(), nn.BatchNorm2d(8)]
    first, switch, *left, last = str(report(nn.Sequential(Branches(), *layers))).splitlines()
    assert (first, switch) == ("batch norm folded into: 1 (1)", "own switch used by: 1 (0)")
    assert left == [f"left as they are: 2 (4, 6): {NOT_BEHIND}"]
    assert last.startswith("outputs: within ") and last.endswith(" of the training form's")
