"""Key names of official Scaled-YOLOv4 state dicts; Darknet's own files are in test_darknet.py."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from yolo_plugins.checkpoints.read import load_checkpoint
from yolo_plugins.checkpoints.scaled_yolov4 import convert_state_dict
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import MODELS

REPO = Path(__file__).resolve().parents[2]
GOLDEN = {"csp": "yolov4csp_w0.125_nc20_seed20.npz", "p5": "yolov4p5_w0.125_nc6_seed21.npz"}


def load_golden(golden_dir, name):
    path = golden_dir / name
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    arrays = np.load(path)
    return arrays, {key[3:]: torch.from_numpy(arrays[key]) for key in arrays.files if key.startswith("sd/")}


def build(model, num_classes=20, widen_factor=0.125, deepen_factor=1.0):
    cfg = Config.fromfile(REPO / "configs" / "_base_" / "models" / f"yolov4_{model}.py").model
    cfg.bbox_head.num_classes = num_classes
    for part in (cfg.backbone, cfg.neck):
        part.update(widen_factor=widen_factor, deepen_factor=deepen_factor)
    return MODELS.build(cfg).eval()


@pytest.fixture(scope="module")
def official(golden_dir):
    return load_golden(golden_dir, GOLDEN["csp"])[1]


@pytest.fixture(scope="module")
def darknet(golden_dir):
    return load_golden(golden_dir, "yolov4cspcfg_div8_nc20_seed22.npz")[1]


@pytest.mark.parametrize("model", GOLDEN)
def test_converted_weights_reproduce_the_golden_output(golden_dir, model):
    arrays, state_dict = load_golden(golden_dir, GOLDEN[model])
    detector = build(model, num_classes=6 if model == "p5" else 20)
    detector.load_state_dict(convert_state_dict(state_dict), strict=True)
    with torch.no_grad():
        raw = detector(torch.from_numpy(arrays["image_u8"]).float() / 255, mode="tensor")
    for level, ours in enumerate(raw):
        torch.testing.assert_close(ours, torch.from_numpy(arrays[f"eval_raw_l{level}"]), atol=1e-4, rtol=0)


def test_every_tensor_but_the_anchors_is_kept(official):
    converted = convert_state_dict(official)
    assert len(converted) == len(official) - sum("anchor" in key for key in official)
    assert converted["backbone.stages.1.1.exit.weight"] is official["model.4.cv3.weight"]
    assert converted["neck.top.after.0.conv.weight"] is official["model.11.cv5.conv.weight"]
    assert converted["bbox_head.predictors.2.bias"] is official["model.31.m.2.bias"]


def test_further_prefixes_do_not_matter(official):
    wrapped = {f"model.{key}": value for key, value in official.items()}
    assert convert_state_dict(wrapped).keys() == convert_state_dict(official).keys()


# Layers of the releases, coarse to fine in the top-down path, fine to coarse in the others.
LAYERS = {
    "csp": dict(
        top=[11],
        reduces=[12, 17],
        laterals=[14, 19],
        top_down=[16, 21],
        downsamples=[23, 27],
        bottom_up=[25, 29],
        widen=[22, 26, 30],
        head=31,
    ),
    "p6": dict(
        top=[13],
        reduces=[14, 19, 24],
        laterals=[16, 21, 26],
        top_down=[18, 23, 28],
        downsamples=[30, 34, 38],
        bottom_up=[32, 36, 40],
        widen=[29, 33, 37, 41],
        head=42,
    ),
    "p7": dict(
        top=[15],
        reduces=[16, 21, 26, 31],
        laterals=[18, 23, 28, 33],
        top_down=[20, 25, 30, 35],
        downsamples=[37, 41, 45, 49],
        bottom_up=[39, 43, 47, 51],
        widen=[36, 40, 44, 48, 52],
        head=53,
    ),
}
FUSE = {"stages": "cv4", "top": "cv7"}  # cv3 elsewhere
PARTS = {
    **{"main": "cv1", "bypass": "cv2", "exit": "cv3", "join.bn": "bn", "conv1": "cv1", "conv2": "cv2"},
    **{"before.0": "cv1", "before.1": "cv3", "before.2": "cv4", "after.0": "cv5", "after.1": "cv6"},
}


def official_key(key, layers):
    """The release's name of one of our tensors, by its layers."""
    if match := re.fullmatch(r"bbox_head\.predictors\.(.*)", key):
        return f"model.{layers['head']}.m.{match[1]}"
    if match := re.fullmatch(r"backbone\.stem\.(.*)", key):
        return f"model.0.{match[1]}"
    if match := re.fullmatch(r"backbone\.stages\.(\d)\.([01])\.(.*)", key):
        place, layer, rest = "stages", 2 * int(match[1]) + int(match[2]) + 1, match[3]
    else:
        place, index, rest = re.fullmatch(r"neck\.(top(?!_)|\w+)(?:\.(\d))?\.(.*)", key).groups()
        layer = layers[place][int(index or 0)]
    rest = rest.replace("blocks.", "m.").replace("fuse.", f"{FUSE.get(place, 'cv3')}.")
    for ours, theirs in PARTS.items():
        rest = rest.replace(f"{ours}.", f"{theirs}.")
    return f"model.{layer}.{rest}"


@pytest.mark.parametrize(("model", "layers"), LAYERS.items())
@pytest.mark.parametrize("deepen_factor", [1.0, 0.33])
def test_layer_numbers_are_those_of_the_release_at_any_depth(model, layers, deepen_factor):
    ours = build(model, widen_factor=1 / 64, deepen_factor=deepen_factor).state_dict()
    official = {official_key(key, layers): tensor for key, tensor in ours.items()}
    official[f"model.{layers['head']}.anchors"] = torch.zeros(0)
    assert len(official) == len(ours) + 1
    converted = convert_state_dict(official)
    assert converted.keys() == ours.keys()
    assert all(converted[key] is tensor for key, tensor in ours.items())


@pytest.mark.parametrize(
    "key",
    [
        "model.32.conv.weight",
        "head.weight",
        "model.5",
        "model.2.cv4.conv.weight",
        "model.0.conv.bias",
        "model.4.m.2.cv3.conv.weight",
        "model.42.anchors",
    ],
)
def test_unmatched_keys_raise(official, key):
    with pytest.raises(UsageError, match=rf"1 keys are not of an unfused YOLOv4-CSP model, first: .*{re.escape(key)}"):
        convert_state_dict({**official, key: torch.zeros(1)})


@pytest.mark.parametrize(
    "key", ["model.0.conv.weight", "model.4.bn.running_var", "model.31.m.1.bias", "model.16.m.0.cv2.bn.bias"]
)
def test_missing_keys_raise(official, key):
    state_dict = {name: tensor for name, tensor in official.items() if name != key}
    with pytest.raises(UsageError, match=f"1 keys are missing from an unfused YOLOv4-CSP model, first: {key}"):
        convert_state_dict(state_dict)


@pytest.mark.parametrize("keys", [[], ["model.24.m.0.weight", "model.0.conv.weight"], ["backbone.stem.conv.weight"]])
def test_state_dict_of_another_family_is_refused(keys):
    with pytest.raises(
        UsageError, match=rf"{len(keys)} keys, first: {(keys or [None])[0]}, and no detection layer of YOLOv4"
    ):
        convert_state_dict(dict.fromkeys(keys, torch.zeros(1)))


def test_norms_of_darknet_are_joined_chain_first(darknet):
    converted = convert_state_dict(darknet)
    for name in ("weight", "bias", "running_mean", "running_var"):
        chain, bypass = (darknet[f"module_list.{section}.BatchNorm2d.{name}"] for section in (96, 81))
        assert torch.equal(converted[f"backbone.stages.4.1.join.bn.{name}"], torch.cat((chain, bypass)))
    assert torch.equal(converted["backbone.stages.4.1.exit.weight"], darknet["module_list.96.Conv2d.weight"])


@pytest.mark.parametrize(
    "key", ["module_list.174.Conv2d.weight", "module_list.4.Conv2d.weight", "module_list.0.Conv2d.bias", "x"]
)
def test_unmatched_keys_of_darknet_raise(darknet, key):
    with pytest.raises(UsageError, match=f"1 keys are not of an unfused Darknet YOLOv4-CSP model, first: {key};"):
        convert_state_dict({**darknet, key: torch.zeros(1)})


def test_missing_keys_of_darknet_raise(darknet):
    key = "module_list.98.BatchNorm2d.bias"
    with pytest.raises(UsageError, match=f"1 keys are missing from an unfused Darknet YOLOv4-CSP model, first: {key};"):
        convert_state_dict({name: tensor for name, tensor in darknet.items() if name != key})


def test_command_converts_an_official_file(tmp_path, official):
    torch.save({"model": official, "ema": None}, tmp_path / "yolov4-csp.pt")
    tool = REPO / "tools" / "convert_weights.py"
    command = [sys.executable, tool, "scaled_yolov4", "yolov4-csp.pt", "ours.pth"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    found = load_checkpoint(tmp_path / "ours.pth")
    assert found["meta"]["family"] == "scaled_yolov4"
    build("csp").load_state_dict(found["state_dict"], strict=True)
