"""The list of backbones: who is in it, and what is measured."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from yolo_plugins.costs.catalogue import entries, measure
from yolo_plugins.errors import UsageError
from yolo_plugins.models.backbones import YOLOv5CSP
from yolo_plugins.registry import MODELS

TOOL = Path(__file__).resolve().parents[2] / "tools" / "analysis" / "list_backbones.py"


@pytest.fixture(scope="module")
def names() -> dict[str, dict]:
    return {entry.name: entry.cfg for entry in entries()}


def test_every_library_is_in_the_list_with_each_architecture_once(names):
    assert {"YOLOv5CSP()", "InceptionV4()"} <= names.keys()
    assert {"mmpretrain.RepVGG(arch='A0')", "mmdet.ResNet(depth=18)", "mmdet.ResNeXt(depth=50)"} <= names.keys()
    assert {"timm(model_name='ghostnet_100')", "timm(model_name='densenet121')"} <= names.keys()
    assert "mmpretrain.CSPResNeXt(depth=50)" in names  # it passes its arguments on: `depth` is that of its parent
    assert len(names) > 1500
    assert not any(name.startswith(("PyramidBackbone", "YOLODetector", "timm()")) for name in names)
    assert sum(name.startswith("mmpretrain.ConvNeXt(") for name in names) == 10  # each has a second name there


@pytest.mark.parametrize("name", ["YOLOv5CSP()", "mmpretrain.MobileNetV2()", "mmdet.SwinTransformer()"])
def test_what_is_measured_is_what_the_built_backbone_has(names, name):
    torch.manual_seed(0)
    measured = measure(names[name], (64, 64))
    cfg = names[name] if name == "YOLOv5CSP()" else dict(type="PyramidBackbone", net=names[name])
    built = MODELS.build(cfg)
    assert measured.params == sum(parameter.numel() for parameter in built.parameters())
    assert (measured.out_channels, measured.out_strides) == (list(built.out_channels), list(built.out_strides))


def test_macs_grow_with_the_pixels():
    assert measure(dict(type="YOLOv5CSP"), (128, 128)).macs == 4 * measure(dict(type="YOLOv5CSP"), (64, 64)).macs


def test_measuring_takes_no_memory_for_weights(monkeypatch):
    devices = set()
    forward = YOLOv5CSP.forward

    def watched(self, x):
        devices.add(self.stem.conv.weight.device.type)
        return forward(self, x)

    monkeypatch.setattr(YOLOv5CSP, "forward", watched)
    measure(dict(type="YOLOv5CSP"), (64, 64))
    assert devices == {"meta"}


def test_what_cannot_be_used_is_refused_with_a_sentence():
    with pytest.raises(UsageError, match="gives no map of stride"):
        measure(dict(type="mmpretrain.AlexNet"), (320, 320))


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, TOOL, *arguments], cwd=cwd, capture_output=True, text=True)


def test_the_tool_prints_a_row_for_each_and_counts_the_refused(tmp_path):
    result = run("mmpretrain.RepVGG(arch='A0')", "mmpretrain.AlexNet*", "--refused", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    refused, row, end = result.stdout.splitlines()[1:]
    assert refused.startswith("refused: mmpretrain.AlexNet() gives no map of stride 8, 16, 32")
    assert row.split()[:2] == ["7,827,968", "3,084,288,000"]
    assert "96 192 1280" in row and "8 16 32" in row and row.endswith("mmpretrain   mmpretrain.RepVGG(arch='A0')")
    assert end == "1 usable, 1 refused"


def test_a_pattern_without_a_match_is_one_line(tmp_path):
    result = run("resnet18", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr == "error: no backbone is called resnet18; use * around a part of the name\n"
