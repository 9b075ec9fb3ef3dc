"""Every config is written for other runtimes, and they say what torch says."""

from pathlib import Path

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from spread_scores import spread_scores

from yolo_plugins.config import load_config, with_num_classes
from yolo_plugins.export import FORMATS, Exportable, Metadata, open_exported, select, write_exported
from yolo_plugins.export.heads import selection_of
from yolo_plugins.export.select import rows_per_level
from yolo_plugins.models import to_deploy
from yolo_plugins.models.deploy.compare import difference
from yolo_plugins.registry import MODELS
from yolo_plugins.testing.norms import settle_norms

for package in ("onnx", "onnxscript", "onnxruntime", "openvino"):
    pytest.importorskip(package)

REPO = Path(__file__).resolve().parents[2]
CONFIGS = [path for path in sorted((REPO / "configs").glob("*.py")) if not path.stem.startswith("study_")]


def small_model(path: Path) -> dict:
    """A config's model; what it scales, as small as its structure allows."""
    model = load_config(str(path)).model
    for part in (model.backbone, model.neck) if model.type == "YOLODetector" else ():
        for factor, smallest in (("widen_factor", 0.125), ("deepen_factor", 0.33)):
            if factor in part or (factor == "widen_factor" and model.backbone.type == "YOLOv4CSP"):
                part[factor] = min(part.get(factor, 1), smallest)
    return with_num_classes(model.to_dict(), lambda _: 20)


def structures() -> list[Path]:
    """The first config of each structure: those that differ in size, anchors or training alone are written alike."""
    found: dict[str, Path] = {}
    for path in CONFIGS:
        model = small_model(path)
        head = {key: value for key, value in model["bbox_head"].items() if key not in ("loss", "anchors")}
        found.setdefault(repr((model["type"], model["backbone"], model.get("neck"), head)), path)
    return list(found.values())


def check(model: dict, folder: Path) -> None:
    """Asserts that a detector, with weights that make detections, is written and read, and says the same."""
    torch.manual_seed(0)
    detector = MODELS.build(ConfigDict(model)).eval()
    side = max(getattr(detector.backbone, "out_strides", [32]))
    hw = (side * 2, side * 3) if side == 32 else (side, side * 2)
    settle_norms(detector, torch.rand(8, 3, *hw))
    spread_scores(detector, torch.rand(2, 3, *hw))
    deployed = to_deploy(detector, hw)
    network = Exportable(deployed, hw)
    selection = selection_of(deployed.bbox_head)
    images = torch.randint(256, (1, 3, *hw), dtype=torch.uint8)
    with torch.no_grad():
        expected = network(images)
        found = select(expected[0][0], expected[1][0], selection, rows_per_level(network.levels, hw), hw)
        meta = {"ori_shape": hw, "img_shape": hw, "scale_factor": (1.0, 1.0), "pad_param": (0, 0, 0, 0)}
        data = {"inputs": list(images), "data_samples": [DetDataSample(metainfo=meta)]}
        data = deployed.data_preprocessor(data, False)
        (sample,) = deployed.predict(data["inputs"], data["data_samples"], rescale=False)
    own = sample.pred_instances
    assert len(own.scores) > 0
    assert difference([found.scores, found.bboxes], [own.scores, own.bboxes]) <= 1e-4
    assert torch.equal(found.labels, own.labels)

    metadata = Metadata(("a",), hw, False, False, "f32", network.levels, selection, "", {})
    for name in ("onnx", "openvino"):
        path = folder / f"detector{FORMATS[name].suffix}"
        write_exported(network, metadata, FORMATS[name], path)
        outputs = open_exported(path, threads=1)(images.numpy())
        assert difference([torch.from_numpy(output) for output in outputs], list(expected)) <= 1e-4, name


@pytest.mark.parametrize("path", structures(), ids=lambda path: path.stem)
def test_every_structure_is_written_and_runs_as_in_torch(path, tmp_path):
    check(small_model(path), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_is_written_and_runs_as_in_torch(path, tmp_path):
    check(load_config(str(path)).model.to_dict(), tmp_path)
