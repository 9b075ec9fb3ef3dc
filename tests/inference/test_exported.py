"""Exported files take the place of checkpoints: the same boxes, the same scores; what does not fit is told."""

import json
import os
import subprocess
import sys
import warnings
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from tiny_pictures import add_picture, pixels

from yolo_plugins.checkpoints.weights import load_any_weights
from yolo_plugins.cli import read_models
from yolo_plugins.commands.export import PRECISIONS
from yolo_plugins.config import input_hw, load_config
from yolo_plugins.errors import UsageError
from yolo_plugins.export.exportable import Exportable
from yolo_plugins.export.files import FORMATS, open_exported, write_exported
from yolo_plugins.export.formats.base import ExportedNetwork
from yolo_plugins.export.heads import selection_of
from yolo_plugins.export.metadata import Metadata
from yolo_plugins.files import EXPORTED
from yolo_plugins.inference import Detector, ExportedDetector, class_names, exported
from yolo_plugins.inference.model import load_named_detector
from yolo_plugins.registry import MODELS

warnings.filterwarnings("ignore", category=DeprecationWarning)
CLASSES = ("screw", "nut")
KEEP_ALL = ["model.test_cfg.max_per_img=20000"]  # some of the many boxes of random weights do find objects


def lively(config: Config, names: tuple[str, ...], path: Path) -> str:
    """A checkpoint of random weights whose boxes and scores differ from cell to cell: its norms have seen pictures."""
    generator = torch.manual_seed(0)
    model = MODELS.build(config.model)
    for norm in (module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)):
        norm.momentum = None  # the mean of what it sees
    with torch.no_grad():
        model.train().extract_feat(torch.rand(8, 3, 128, 128, generator=generator))
    for name, parameter in model.bbox_head.named_parameters():
        parameter.data = torch.zeros_like(parameter) if name.endswith("bias") else torch.randn_like(parameter) * 0.2
    meta = {"cfg": config.pretty_text, "dataset_meta": {"classes": names}}
    torch.save({"state_dict": model.state_dict(), "meta": meta}, path)
    return str(path)


@pytest.fixture(scope="module")
def checkpoint(tiny_config, tmp_path_factory) -> str:
    return lively(tiny_config, CLASSES, tmp_path_factory.mktemp("lively") / "tiny.pth")


@pytest.fixture(scope="module")
def detector(checkpoint) -> Detector:
    return Detector(checkpoint, score_thr=0.1, device="cpu")


def export(checkpoint: str, path: Path, dynamic: bool = False, **changes: object) -> str:
    config, detector, names = load_named_detector(checkpoint, None, [], "cpu", lambda config: None)
    network = Exportable(detector, input_hw(config))
    metadata = Metadata(
        tuple(names),
        input_hw(config),
        dynamic,
        nms=False,
        precision="f32",
        levels=network.levels,
        selection=selection_of(detector),
        config=config.pretty_text,
        versions={},
    )
    known = next(known for known in FORMATS.values() if known.suffix == path.suffix)
    write_exported(network, replace(metadata, **changes), known, path)
    return str(path)


@pytest.fixture(scope="module")
def static(checkpoint, tmp_path_factory) -> str:
    return export(checkpoint, tmp_path_factory.mktemp("static") / "tiny.onnx")


@pytest.fixture(scope="module")
def dynamic(checkpoint, tmp_path_factory) -> str:
    return export(checkpoint, tmp_path_factory.mktemp("dynamic") / "tiny.onnx", dynamic=True)


def assert_same_boxes(one: Detector, other: Detector) -> None:
    for picture in (pixels(40, 60), pixels(200, 30, seed=1)):
        (first,), (second,) = one(picture), other(picture)
        assert len(first.boxes.scores) == len(second.boxes.scores) > 0
        np.testing.assert_allclose(first.boxes.scores, second.boxes.scores, atol=1e-4)
        np.testing.assert_allclose(first.boxes.xyxy, second.boxes.xyxy, atol=1e-2)
        assert first.boxes.names == second.boxes.names


@pytest.mark.parametrize("suffix", [".onnx", ".xml", ".torchscript", ".pt2"])
def test_a_file_of_each_format_finds_what_its_checkpoint_finds(checkpoint, detector, tmp_path, suffix):
    path = export(checkpoint, tmp_path / f"tiny{suffix}")
    exported_detector = Detector(path, score_thr=0.1)
    assert exported_detector.names == detector.names
    assert_same_boxes(exported_detector, detector)


def test_a_dynamic_file_takes_batches_and_the_size_of_the_options(checkpoint, dynamic):
    given = dict(score_thr=0.1, batch_size=2, options=["img_size=[128,192]"], device="cpu")
    assert_same_boxes(Detector(dynamic, **given), Detector(checkpoint, **given))


def test_a_static_file_keeps_its_size_and_says_so(static, detector, monkeypatch):
    told: list[str] = []
    monkeypatch.setattr(exported, "_tell", told.append)
    fixed = Detector(static, score_thr=0.1, options=["img_size=[128,128]"])
    assert told == [
        f"{static}: takes 64x96 (height x width) alone, to which pictures are brought in place of 128x128",
    ]
    assert input_hw(fixed.config) == (64, 96)
    assert_same_boxes(fixed, detector)


def test_rectangles_become_the_size_of_a_static_file(static, tiny_config):
    config = deepcopy(tiny_config)
    config.test_dataloader.dataset.rect_batch_size = 4
    network = open_exported(static)
    exported.use_exported(config, network, network.metadata.names)
    assert "rect_batch_size" not in config.test_dataloader.dataset
    assert config.load_from is None


def run(command: str, *arguments: object) -> subprocess.CompletedProcess:
    line = [sys.executable, "-m", "yolo_plugins", command, *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


@pytest.mark.parametrize("is_dynamic", [False, True])
def test_the_scores_of_a_file_are_those_of_its_checkpoint(synthetic_voc, tmp_path, is_dynamic):
    config = load_config("yolov5_pico_demo", [f"data_root={synthetic_voc}", "img_size=96", *KEEP_ALL])
    weights = lively(config, tuple(class_names(config)), tmp_path / "pico.pth")
    file = export(weights, tmp_path / "pico.onnx", dynamic=is_dynamic)
    options = ["--work-dir", tmp_path / "work", "--cfg-options", "test_dataloader.num_workers=0"]
    rectangles = "test_dataloader.dataset.rect_batch_size=4"  # a file of one size makes none
    plain = run("test", weights, *options, *([rectangles] if is_dynamic else []))
    ours = run("test", file, *options, rectangles)
    assert ours.returncode == 0, ours.stderr
    scores = [json.loads(result.stdout) for result in (plain, ours)]
    assert scores[0]["recall_max"] > 0
    for key in ("ap50", "ap50_95", "precision", "recall", "recall_max"):
        assert scores[0][key] == pytest.approx(scores[1][key], abs=1e-4)


def test_a_checkpoint_and_its_file_are_compared(synthetic_voc, tmp_path):
    config = load_config("yolov5_pico_demo", [f"data_root={synthetic_voc}", "img_size=96", *KEEP_ALL])
    weights = lively(config, tuple(class_names(config)), tmp_path / "pico.pth")
    file = export(weights, tmp_path / "pico.onnx")
    options = ["--work-dir", tmp_path / "work", "--cfg-options", "test_dataloader.num_workers=0"]
    result = run("test", weights, file, "--report", tmp_path / "report", *options)
    assert result.returncode == 0, result.stderr
    scores = json.loads(result.stdout)
    assert scores["a"]["recall_max"] == pytest.approx(scores["b"]["recall_max"], abs=1e-4)
    assert "onnxruntime" in (tmp_path / "report" / "report.html").read_text()


class Chosen(ExportedNetwork):
    """A network that has chosen: three detections, the last is filling."""

    runtime, device, path = "stub", "cpu", Path("stub.onnx")

    def __init__(self, metadata: Metadata) -> None:
        self.metadata = metadata

    def _run(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        boxes = np.array([[[0, 0, 9, 9], [5, 5, 30, 30], [0, 0, 0, 0]]], np.float32)
        return boxes, np.array([[0.9, 0.3, 0.0]], np.float32), np.array([[1, 0, 0]])


def test_detections_that_a_file_has_chosen_are_filtered_further(static, monkeypatch):
    told: list[str] = []
    metadata = replace(open_exported(static).metadata, nms=True)
    monkeypatch.setattr(exported, "open_exported", lambda *_, **__: Chosen(metadata))
    monkeypatch.setattr(exported, "_tell", told.append)
    within = metadata.selection
    found = ExportedDetector(static, test_cfg=dict(score_thr=0.25))
    assert not told
    results = [next(Detector(static, score_thr=score)(pixels(64, 96))) for score in (0, 0.5)]
    assert [result.boxes.names for result in results] == [["nut", "screw"], ["nut"]]
    assert found.metadata.selection == within
    assert "suppression is in the file, with" in told[0]
    assert f"score_thr={within.score_thr}, not 0" in told[0]
    assert f"iou_threshold={within.iou_threshold}, not 0.45" in told[-1]
    assert "score_thr" not in told[-1]


def test_classes_are_found_by_their_names(static):
    moved = ExportedDetector(static, classes=("nut", "bolt", "screw"))
    assert list(moved._places) == [1, None, 0]
    with pytest.raises(UsageError, match=r"tiny\.onnx: its classes are screw, nut, none of the config's \(bolt\)"):
        ExportedDetector(static, classes=("bolt",))


def test_a_config_of_other_classes_is_refused(static, tiny_config):
    other = deepcopy(tiny_config)
    other.test_dataloader.dataset.metainfo = dict(classes=("nut", "screw"))
    with pytest.raises(UsageError, match=r"tiny\.onnx: its classes are screw, nut, those of the config nut, screw"):
        Detector(static, other)


def test_options_that_would_change_the_network_are_refused(static):
    with pytest.raises(UsageError, match=r"tiny\.onnx: 'model\.bbox_head\.num_classes=3' would change its network"):
        Detector(static, options=["model.bbox_head.num_classes=3"])


@pytest.mark.parametrize("option", [["--deploy"]])
def test_options_for_checkpoints_alone_are_refused(static, option):
    told = run("test", static, *option)
    assert told.returncode == 1
    assert told.stderr.strip() == f"error: {static}: --deploy is for checkpoints; leave it out with an exported file"


def test_an_exported_file_is_no_weights(static):
    with pytest.raises(UsageError, match=r"tiny\.onnx: an exported file, which is run and not loaded as weights"):
        load_any_weights(static)


def test_every_format_is_known_to_the_command_line():
    assert {name: known.suffix for name, known in FORMATS.items()} == EXPORTED
    precisions = {precision for known in FORMATS.values() for precision in known.precisions}
    assert set(PRECISIONS) == precisions
    assert read_models(["absent.onnx"], None) == [(None, "absent.onnx")]


def test_a_file_with_outputs_of_other_classes_is_named(checkpoint, tmp_path):
    path = export(checkpoint, tmp_path / "more.onnx", names=("screw", "nut", "bolt"))
    config = load_config("yolov5_n_voc", ["img_size=64,96"])
    config.test_dataloader.dataset.metainfo = dict(classes=("screw", "nut", "bolt"))
    with pytest.raises(UsageError, match=r"more\.onnx: gives outputs of shapes .* do not go with its 3 classes"):
        next(Detector(path, config)(pixels()))


@pytest.mark.parametrize("suffix", [".onnx", ".xml", ".torchscript", ".pt2"])
@pytest.mark.parametrize("content", [b"", b"<html></html>", b"PK\x03\x04" + bytes(80), bytes(range(256))])
def test_what_is_no_network_is_told_in_a_sentence(tmp_path, suffix, content):
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=rf"bad\{suffix}: ") as told:
        Detector(path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("suffix", [".onnx", ".xml", ".torchscript", ".pt2"])
def test_a_truncated_file_is_told_in_a_sentence(checkpoint, tmp_path, suffix):
    path = Path(export(checkpoint, tmp_path / f"cut{suffix}"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UsageError, match=rf"cut\{suffix}: ") as told:
        Detector(path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("change", ["missing", "short"])
def test_weights_beside_a_graph_that_are_not_whole_are_told(checkpoint, tmp_path, change):
    path = Path(export(checkpoint, tmp_path / "tiny.xml"))
    weights = path.with_suffix(".bin")
    if change == "missing":
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(UsageError, match=r"tiny\.xml: ") as told:
        Detector(path)
    assert "\n" not in str(told.value)


def onnx_with(path: Path, location: str | None) -> None:
    """A network of another maker; its one weight stands in another file where `location` names it."""
    from onnx import TensorProto, helper

    weight = helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])
    if location:
        weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
        weight.external_data.add(key="location", value=location)
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", value[:1], value[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path.write_bytes(model.SerializeToString())


def test_a_network_of_another_maker_is_refused_by_name(tmp_path):
    path = tmp_path / "foreign.onnx"
    onnx_with(path, None)
    with pytest.raises(UsageError, match=r"foreign\.onnx: says nothing of its classes and input; export"):
        Detector(path)


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/hostname"])
def test_weights_outside_the_folder_of_a_file_are_not_read(tmp_path, location):
    (tmp_path / "secret.bin").write_bytes(bytes(4))
    path = tmp_path / "model" / "hostile.onnx"
    path.parent.mkdir()
    onnx_with(path, location)
    with pytest.raises(UsageError, match=r"hostile\.onnx: cannot be opened as onnx"):
        Detector(path)


def test_a_config_in_a_file_runs_no_code(checkpoint, tmp_path):
    mark = tmp_path / "ran"
    config = f"__import__('os').system('touch {mark}')\nmodel = dict()"
    path = export(checkpoint, tmp_path / "hostile.onnx", config=config)
    with pytest.raises(UsageError, match=r"hostile\.onnx: line 1 of its config is more than a key and plain values"):
        Detector(path)
    assert not mark.exists()


def test_a_checkpoint_cannot_name_an_exported_file(make_checkpoint, static):
    path = make_checkpoint(cfg=f"model = dict(type='ExportedDetector', file={static!r})")
    with pytest.raises(UsageError, match="which no file may choose"):
        Detector(path)


def test_infer_takes_an_exported_file(static, tmp_path):
    add_picture(tmp_path / "pictures" / "a.png")
    told = run("infer", tmp_path / "pictures", "--weights", static, "--out", tmp_path / "out", "--score-thr", 0)
    assert told.returncode == 0, told.stderr
    assert (tmp_path / "out" / "detections.json").is_file()
