"""Facts about Darknet's `.cfg` and `.weights` files: what is read, and which files are refused."""

import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from yolo_plugins.checkpoints.darknet import load_darknet
from yolo_plugins.checkpoints.read import load_checkpoint
from yolo_plugins.checkpoints.scaled_yolov4 import convert_state_dict
from yolo_plugins.checkpoints.weights import load_any_weights
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import MODELS

REPO = Path(__file__).resolve().parents[2]
NET = "[net]\n# Training\nbatch=64\nchannels=3\n\n"
POOL, SHORTCUT, UPSAMPLE, YOLO = "[maxpool]\nsize=2\n", "[shortcut]\nfrom=-3\n", "[upsample]\nstride=2\n", "[yolo]\n"
HALF = "[route]\nlayers=-1\ngroups=2\ngroup_id=1\n"
# name: golden file, divisor of its channels
GOLDEN = {"csp": ("yolov4cspcfg_div8_nc20_seed22.npz", 8), "tiny": ("yolov4tiny_div4_nc20_seed23.npz", 4)}


def conv(filters, size=1, stride=1, norm=True):
    options = f"filters={filters}\nsize={size}\nstride={stride}\npad=1\n"
    return "[convolutional]\n" + norm * "batch_normalize=1\n" + options + "activation=mish  # or leaky\n\n"


def route(*layers):
    return f"[route]\nlayers = {', '.join(map(str, layers))}\n\n"


def cfg_text(sections, div, classes):
    """The sections with channels divided by `div`, except those of the prediction, which are written as 0."""
    text = NET + "".join(sections)
    text = re.sub(r"filters=([1-9]\d*)", lambda match: f"filters={int(match[1]) // div}", text)
    return text.replace("filters=0", f"filters={3 * (5 + classes)}")


def csp_cfg(div=1, classes=80):
    def csp2(width):
        chain = [conv(width), conv(width, 3)] * 2
        return [conv(width), conv(width), route(-2), *chain, route(-1, -6), conv(width)]

    def output(width):
        return [conv(width, 3), conv(0, norm=False), YOLO]

    sections = [conv(32, 3), conv(64, 3, 2), conv(32), conv(64, 3), SHORTCUT]
    for width, links in ((128, 2), (256, 8), (512, 8), (1024, 4)):
        half = width // 2
        sections += [
            conv(width, 3, 2),
            conv(half),
            route(-2),
            conv(half),
            *[conv(half), conv(half, 3), SHORTCUT] * links,
        ]
        sections += [conv(half), route(-1, -3 * links - 4), conv(width)]
    sections += [conv(512), route(-2), conv(512), conv(512, 3), conv(512)]
    sections += [POOL, route(-2), POOL, route(-4), POOL, route(-1, -3, -5, -6)]
    sections += [conv(512), conv(512, 3), route(-1, -13), conv(512)]
    for width, skip in ((256, 79), (128, 48)):
        sections += [conv(width), UPSAMPLE, route(skip), conv(width), route(-1, -3), *csp2(width)]
    sections += output(256)
    for width, skip in ((256, -20), (512, -49)):
        sections += [route(-4), conv(width, 3, 2), route(-1, skip), *csp2(width), *output(2 * width)]
    return cfg_text(sections, div, classes)


def tiny_cfg(div=1, classes=80):
    sections = [conv(32, 3, 2), conv(64, 3, 2)]
    for width in (64, 128, 256):
        sections += [conv(width, 3), HALF, conv(width // 2, 3), conv(width // 2, 3), route(-1, -2), conv(width)]
        sections += [route(-6, -1), POOL]
    sections += [conv(512, 3), conv(256), conv(512, 3), conv(0, norm=False), YOLO]
    sections += [route(-4), conv(128), UPSAMPLE, route(-1, 23), conv(256, 3), conv(0, norm=False), YOLO]
    return cfg_text(sections, div, classes)


CFG = {"csp": csp_cfg, "tiny": tiny_cfg}


def darknet_bytes(state_dict, version=(0, 2, 5)):
    """The `.weights` file of a state dict: header, then the numbers of each convolution in Darknet's order."""
    data = struct.pack("<3i", *version) + struct.pack("<q" if version >= (0, 2) else "<i", 32013312)
    for number in sorted({int(key.split(".")[1]) for key in state_dict}):
        name = f"module_list.{number}"
        norm = [f"{name}.BatchNorm2d.{tensor}" for tensor in ("bias", "weight", "running_mean", "running_var")]
        order = [*(norm if norm[0] in state_dict else [f"{name}.Conv2d.bias"]), f"{name}.Conv2d.weight"]
        data += b"".join(state_dict[key].numpy().astype("<f4").tobytes() for key in order)
    return data


class Case:
    """One golden file, and `.cfg` and `.weights` with its numbers."""

    def __init__(self, name, golden_dir, folder):
        file, self.div = GOLDEN[name]
        if not (golden_dir / file).is_file():
            pytest.skip(f"{golden_dir / file} is not there")
        self.name, self.arrays = name, np.load(golden_dir / file)
        self.state_dict = {k[3:]: torch.from_numpy(self.arrays[k]) for k in self.arrays.files if k.startswith("sd/")}
        self.cfg, self.weights = folder / f"{name}.cfg", folder / f"{name}.weights"
        self.cfg.write_text(CFG[name](self.div, classes=20))
        self.weights.write_bytes(darknet_bytes(self.state_dict))

    def build(self, eps):
        """Our detector in Darknet's form."""
        cfg = Config.fromfile(REPO / "configs" / "_base_" / "models" / f"yolov4_{self.name}.py").model
        norm_cfg = dict(type="BN", eps=eps, momentum=0.03)
        for part in (cfg.backbone, cfg.neck):
            part.update(widen_factor=1 / self.div, channel_divisor=1, norm_cfg=norm_cfg)
        if self.name == "csp":
            cfg.neck.joint_norm = False
        return MODELS.build(cfg).eval()

    def expected(self, key):
        """The golden outputs, fine level first; those of tiny are stored the other way round."""
        levels = [torch.from_numpy(self.arrays[f"{key}_l{i}"]) for i in range(2 if self.name == "tiny" else 3)]
        return levels[::-1] if self.name == "tiny" else levels


@pytest.fixture(params=["csp", "tiny"])
def case(request, golden_dir, tmp_path):
    return Case(request.param, golden_dir, tmp_path)


@pytest.fixture
def tiny(golden_dir, tmp_path):
    return Case("tiny", golden_dir, tmp_path)


def test_file_holds_the_state_dict_it_was_written_from(case):
    found = load_darknet(case.cfg, case.weights)
    assert found.keys() == case.state_dict.keys()
    for key, tensor in found.items():
        assert key.endswith("num_batches_tracked") or torch.equal(tensor, case.state_dict[key])


@pytest.mark.parametrize(
    ("name", "eps", "key"), [("csp", 1e-4, "raw"), ("tiny", 1e-4, "raw"), ("tiny", 1e-5, "raw_darknet")]
)
def test_converted_file_reproduces_the_golden_output(golden_dir, tmp_path, name, eps, key):
    case = Case(name, golden_dir, tmp_path)
    detector = case.build(eps)
    detector.load_state_dict(convert_state_dict(load_darknet(case.cfg, case.weights)), strict=True)
    with torch.no_grad():
        raw = detector(torch.from_numpy(case.arrays["image_u8"]).float() / 255, mode="tensor")
    for ours, expected in zip(raw, case.expected(f"eval_{key}"), strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("name", "classes", "params"), [("tiny", 80, 6_056_606), ("tiny", 20, 5_918_006), ("csp", 80, 52_921_437)]
)
def test_published_networks_expect_their_parameters_and_running_statistics(tmp_path, name, classes, params):
    cfg, weights = tmp_path / "net.cfg", tmp_path / "net.weights"
    cfg.write_text(CFG[name](1, classes))
    weights.write_bytes(b"")
    normed = sum(int(n) for n in re.findall(r"batch_normalize=1\nfilters=(\d+)", cfg.read_text()))
    with pytest.raises(UsageError, match=rf"expects {params + 2 * normed:,} floats, .* found 0 floats"):
        load_darknet(cfg, weights)


@pytest.mark.parametrize(
    ("options", "floats"),
    [
        ("filters=8\nsize=3\n", 8 * 4 * 9 + 8),
        ("filters=8\nsize=3\nbatch_normalize=1\n", 8 * 4 * 9 + 4 * 8),
        ("filters=8\nsize=3\ngroups=2\n", 8 * 2 * 9 + 8),
        ("filters=8\nsize=3\nfilters=5\n", 8 * 4 * 9 + 8),  # Darknet takes the first
        ("; filters=2\n filters = 8 # of 9\nsize=3\n", 8 * 4 * 9 + 8),
    ],
)
def test_options_of_a_convolution_decide_its_floats(tmp_path, options, floats):
    cfg, weights = tmp_path / "net.cfg", tmp_path / "net.weights"
    cfg.write_text("[net]\nchannels=4\n[convolutional]\n" + options)
    weights.write_bytes(darknet_bytes({}) + bytes(4 * floats))
    assert sum(tensor.numel() for tensor in load_darknet(cfg, weights).values() if tensor.ndim) == floats


def test_version_0_1_has_a_shorter_header(tiny):
    tiny.weights.write_bytes(darknet_bytes(tiny.state_dict, version=(0, 1, 0)))
    found = load_darknet(tiny.cfg, tiny.weights)
    assert torch.equal(found["module_list.0.Conv2d.weight"], tiny.state_dict["module_list.0.Conv2d.weight"])


def test_byte_order_mark_and_line_ends_of_windows_are_read(tiny):
    tiny.cfg.write_bytes(tiny.cfg.read_text().replace("\n", "\r\n").encode("utf-8-sig"))
    assert load_darknet(tiny.cfg, tiny.weights).keys() == tiny.state_dict.keys()


@pytest.mark.parametrize(("change", "sentence"), [(-1, "1 byte short"), (-5, "5 bytes short"), (1, "1 byte too many")])
def test_file_of_another_length_is_refused_with_both_counts(case, change, sentence):
    data = case.weights.read_bytes()
    case.weights.write_bytes(data[:change] if change < 0 else data + b"\0" * change)
    floats = (len(data) - 20) // 4
    found = floats - (-change + 3) // 4 if change < 0 else floats
    with pytest.raises(UsageError) as error:
        load_darknet(case.cfg, case.weights)
    assert re.fullmatch(
        rf"\S+{case.name}\.weights: {case.name}\.cfg expects {floats:,} floats, {len(data):,} bytes with the header; "
        rf"found {found:,} floats, {len(data) + change:,} bytes: {sentence}; .*",
        str(error.value),
    )


@pytest.mark.parametrize("length", [0, 3, 12, 20])
def test_file_without_numbers_is_refused(tiny, length):
    tiny.weights.write_bytes(tiny.weights.read_bytes()[:length])
    with pytest.raises(UsageError, match="found 0 floats"):
        load_darknet(tiny.cfg, tiny.weights)


def test_cfg_of_another_network_is_refused(tiny):
    for text in (tiny_cfg(4, classes=3), tiny_cfg(8, classes=20), csp_cfg(8, classes=20)):
        tiny.cfg.write_text(text)
        with pytest.raises(UsageError, match=r"tiny\.weights: tiny\.cfg expects .* floats"):
            load_darknet(tiny.cfg, tiny.weights)


def test_cfg_with_as_many_numbers_in_another_order_is_refused(tiny):
    plain, normed = conv(75, norm=False), conv(64, 1)
    tiny.cfg.write_text(NET + plain + normed)
    state_dict = {"module_list.0.Conv2d.bias": (75,), "module_list.0.Conv2d.weight": (75, 3, 1, 1)}
    state_dict |= {
        f"module_list.1.BatchNorm2d.{name}": (64,) for name in ("bias", "weight", "running_mean", "running_var")
    }
    state_dict["module_list.1.Conv2d.weight"] = (64, 75, 1, 1)
    tiny.weights.write_bytes(darknet_bytes({key: -torch.ones(shape) for key, shape in state_dict.items()}))
    with pytest.raises(UsageError, match=r"module_list\.1\.BatchNorm2d\.running_var holds .* variances below 0"):
        load_darknet(tiny.cfg, tiny.weights)


def test_numbers_that_are_not_finite_are_refused(tiny):
    data = tiny.weights.read_bytes()
    tiny.weights.write_bytes(data[:-4] + struct.pack("<f", float("nan")))
    with pytest.raises(UsageError, match=r"module_list\.36\.Conv2d\.weight holds values that are not finite"):
        load_darknet(tiny.cfg, tiny.weights)


def test_swapped_files_are_refused(tiny):
    with pytest.raises(UsageError, match=r"tiny\.weights, line 1: .*; give a Darknet \.cfg file, then its \.weights"):
        load_darknet(tiny.weights, tiny.cfg)
    with pytest.raises(UsageError, match=r"tiny\.cfg: tiny\.cfg expects"):
        load_darknet(tiny.cfg, tiny.cfg)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", r"does not begin with \[net\]"),
        ("[convolutional]\n", r"does not begin with \[net\]"),
        ("batch=64\n", "line 1: 'batch=64' is neither"),
        ("[net]\nbatch\n", "line 2: 'batch' is neither"),
        (NET + "[lstm]\n", r"line 6, \[lstm\]: this kind of section is not supported"),
        (NET + "[convolutional]\nsize=1\n", r"line 6, \[convolutional\]: filters='' is not a whole number"),
        (NET + "[convolutional]\nsize=0\nfilters=8\n", "size='0' is not one number above 0"),
        (NET + conv(8).replace("filters=8", "filters=many"), "filters='many' is not a whole number"),
        (NET + conv(8) + route(-2), r"line \d+, \[route\]: layers='-2' are not all before it"),
        (NET + conv(8) + route(0, 1), "layers='0, 1' are not all before it"),
    ],
)
def test_faulty_cfg_is_refused_with_its_line(tmp_path, text, sentence):
    cfg, weights = tmp_path / "net.cfg", tmp_path / "net.weights"
    cfg.write_text(text)
    weights.write_bytes(darknet_bytes({}))
    with pytest.raises(UsageError, match=sentence) as error:
        load_darknet(cfg, weights)
    assert str(cfg) in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_file_is_named(tiny):
    with pytest.raises(UsageError, match=r"absent\.cfg: no such file"):
        load_darknet(tiny.cfg.with_name("absent.cfg"), tiny.weights)
    with pytest.raises(UsageError, match=r"absent\.weights: no such file"):
        load_darknet(tiny.cfg, tiny.cfg.with_name("absent.weights"))


def run_tool(*arguments, cwd):
    command = [sys.executable, REPO / "tools" / "convert_weights.py", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("name", ["tiny.weights", "tiny.pt"])
def test_a_darknet_file_is_known_by_its_content_and_read_with_the_cfg_beside_it(tiny, name):
    path = tiny.weights.rename(tiny.weights.with_name(name))
    found = load_any_weights(path)
    assert found["state_dict"].keys() == convert_state_dict(tiny.state_dict).keys()
    assert (found["meta"]["family"], found["meta"]["model"]) == ("darknet", "yolov4_tiny")
    assert found["meta"]["norm_eps"] == 1e-5
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(UsageError, match=rf"{name}: tiny\.cfg expects .* 4 bytes short"):
        load_any_weights(path)


def test_command_converts_darknet_files(tiny):
    folder = tiny.cfg.parent
    result = run_tool("darknet", "tiny.cfg", "tiny.weights", "ours.pth", cwd=folder)
    assert result.returncode == 0, result.stderr
    found = load_checkpoint(folder / "ours.pth")
    assert (found["meta"]["family"], found["meta"]["source"]) == ("darknet", "tiny.weights")
    tiny.build(1e-5).load_state_dict(found["state_dict"], strict=True)


def test_command_reports_a_short_file_in_one_line(tiny):
    folder = tiny.cfg.parent
    tiny.weights.write_bytes(tiny.weights.read_bytes()[:-1])
    result = run_tool("darknet", "tiny.cfg", "tiny.weights", "ours.pth", cwd=folder)
    assert result.returncode == 1
    assert re.fullmatch(r"error: tiny\.weights: .* 1 byte short; .*\n", result.stderr)
    assert not (folder / "ours.pth").exists()
