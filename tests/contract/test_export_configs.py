"""Every config is written for other runtimes, and they find what torch finds."""

from dataclasses import replace
from pathlib import Path

import pytest

from yolo_plugins.config import load_config, with_num_classes
from yolo_plugins.datasets.synthetic_voc import make_synthetic_voc
from yolo_plugins.testing.benchmark_export import all_configs, benchmark_export
from yolo_plugins.testing.exported import Wanted, export
from yolo_plugins.testing.random_detector import make_detector

for package in ("onnx", "onnxscript", "onnxruntime", "openvino"):
    pytest.importorskip(package)


def as_small(name: str) -> list[str]:
    """Options by which what a config scales is as small as its structure allows."""
    model, options = load_config(name).model, []
    for part in ("backbone", "neck") if model.type == "YOLODetector" else ():
        for factor, smallest in (("widen_factor", 0.125), ("deepen_factor", 0.33)):
            if factor in model[part] or (factor == "widen_factor" and model.backbone.type == "YOLOv4CSP"):
                options.append(f"model.{part}.{factor}={min(model[part].get(factor, 1), smallest)}")
    return options


def structures() -> list[str]:
    """The first config of each structure: those that differ in size, anchors or training alone are written alike."""
    found: dict[str, str] = {}
    for name in all_configs():
        model = with_num_classes(load_config(name, as_small(name)).model.to_dict(), lambda _: 20)
        head = {key: value for key, value in model["bbox_head"].items() if key not in ("loss", "anchors")}
        found.setdefault(repr((model["type"], model["backbone"], model.get("neck"), head)), name)
    return list(found.values())


def check(name: str, options: list[str], folder: Path) -> None:
    """Asserts that ONNX Runtime and OpenVINO say what torch says."""
    rows, faults = benchmark_export([name], ["onnx", "openvino"], options, folder, threads=1)
    assert faults == []
    torch, *files = rows
    assert [row.format for row in files] == ["onnx", "openvino"]
    assert 0 < torch.ap50_95 < torch.ap50 < 1
    for row in files:
        assert row.difference <= 1e-4, row.format
        assert (row.ap50, row.ap50_95) == pytest.approx((torch.ap50, torch.ap50_95), abs=1e-4), row.format


@pytest.mark.parametrize("name", structures())
def test_every_structure_is_written_and_runs_as_in_torch(name, tmp_path):
    check(name, as_small(name), tmp_path)


@pytest.mark.parametrize("name", ["retinanet_resnet18_voc", "rtmdet_tiny_voc"])
def test_dynamic_files_of_mmdetection_take_other_sizes_and_batches(name, tmp_path):
    """The first has levels of one row at this size, and of more at the larger one that `export` tries as well."""
    options = ("img_size=128", "test_dataloader.dataset.cache_images=False")
    root = make_synthetic_voc(tmp_path / "VOCdevkit", train=2, test=4, long_side_range=(100, 160))
    checkpoint, data = make_detector(load_config(name, options), sorted(root.rglob("*.jpg")), tmp_path)
    wanted = Wanted(checkpoint, ("onnx", "openvino"), tmp_path, name, options=options, data=data, dynamic=True)
    rows, faults = export(replace(wanted, threads=1, tested=False, seconds=0.1))
    assert faults == []
    assert [row.format for row in rows] == ["torch", "onnx", "openvino"]
    assert all(row.difference <= 1e-4 for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("name", all_configs())
def test_every_config_is_written_and_runs_as_in_torch(name, tmp_path):
    check(name, [], tmp_path)
