"""Every config builds a detector that trains, deploys and has the parameters that the documentation states."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from yolo_plugins.config import config_differences, load_config, read_config
from yolo_plugins.models import to_deploy
from yolo_plugins.registry import MODELS
from yolo_plugins.testing.norms import settle_norms

REPO = Path(__file__).resolve().parents[2]
CONFIGS = [path for path in sorted((REPO / "configs").glob("yolov*.py")) if not path.stem.endswith("_coco")]  # as _voc
TARGETS = torch.tensor([[0, 1, 8.0, 8.0, 60.0, 90.0], [1, 19, 20.0, 30.0, 50.0, 60.0]])  # image, class, xyxy pixels
LARGEST_WIDTH = 0.25
configs = pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)


def build(path: Path) -> nn.Module:
    """The detector of a config; what it scales, so far that hundreds of millions of parameters fit a test."""
    model = load_config(path).model
    if "widen_factor" in model.backbone or model.backbone.type == "YOLOv4CSP":
        for part in (model.backbone, model.neck):
            part.widen_factor = min(part.get("widen_factor", 1), LARGEST_WIDTH)
    return MODELS.build(model)


@configs
def test_a_training_step_reaches_every_parameter_and_deploying_keeps_the_outputs(path):
    torch.manual_seed(0)
    detector = build(path)
    side = max(32, detector.strides[-1])
    images = torch.rand(2, 3, side * 3, side * 5) if side == 32 else torch.rand(2, 3, side, side * 2)
    detector.train().loss(images, TARGETS)["loss"].backward()
    assert [name for name, value in detector.named_parameters() if value.grad is None] == []
    assert all(value.grad.isfinite().all() for value in detector.parameters())

    detector.eval()
    settle_norms(detector, images)
    with torch.no_grad():
        expected = detector(images, mode="tensor")
        deployed = to_deploy(detector, tuple(images.shape[2:]))(images, mode="tensor")
    for ours, theirs in zip(deployed, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4 * max(1, theirs.abs().max().item()), rtol=0)


def table() -> list[tuple[str, int, int]]:
    """Rows of docs/backbones.md: config, parameters, parameters of its backbone."""
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| ([\d,]+) \| ([\d,]+) \|", (REPO / "docs/backbones.md").read_text(), re.M)
    return [(name, *(int(count.replace(",", "")) for count in counts)) for name, *counts in rows]


@pytest.mark.parametrize(("name", "params", "params_backbone"), table())
def test_the_table_of_backbones_states_what_the_config_builds(name, params, params_backbone):
    detector = MODELS.build(load_config(name).model)
    counts = [sum(value.numel() for value in part.parameters()) for part in (detector, detector.backbone)]
    assert counts == [params, params_backbone]


def test_every_wrapped_config_of_the_study_is_in_the_table():
    wrapped = {path.stem for path in CONFIGS if path.stem.endswith("_voc") and "any_backbone" in path.read_text()}
    assert wrapped
    assert wrapped <= {name for name, *_ in table()}


def test_neck_and_head_under_any_backbone_are_those_of_yolov5_s():
    ours, yolov5_s = (load_config(name).model.to_dict() for name in ("yolov5_resnet18_voc", "yolov5_s_voc"))
    del ours["backbone"], yolov5_s["backbone"]
    assert ours == yolov5_s


def differing_keys(*names: str) -> set[str]:
    """Keys in which files of configs/_base_ differ from the first of them."""
    first, *others = (read_config(REPO / "configs" / "_base_" / f"{name}.py") for name in names)
    return {line.split(":")[0] for other in others for line in config_differences(first, other)}


def test_data_sets_of_coco_differ_in_augmentation_alone():
    keys = differing_keys(*(f"datasets/coco_{name}" for name in ("640", "640_high", "scaled_yolov4")))
    assert keys and all(key.startswith("train_dataloader.dataset.pipeline") for key in keys)


def test_schedules_of_yolo_have_one_optimizer_and_fine_tuning_its_rate():
    names = {f"schedules/{path.stem}" for path in (REPO / "configs/_base_/schedules").glob("*.py")}
    names.remove("schedules/adamw_cosine_200e")  # for detectors of MMDetection
    differing = [
        {key for key in differing_keys(*some) if key.startswith("optim_wrapper")}
        for some in (names - {"schedules/finetune_10e"}, names)
    ]
    assert differing == [{"optim_wrapper.clip_grad"}, {"optim_wrapper.clip_grad", "optim_wrapper.optimizer.lr"}]


def test_scaled_yolov4_models_differ_in_size_anchors_and_loss_alone():
    keys = differing_keys(*(f"models/yolov4_{name}" for name in ("csp", "p5", "p6", "p7")))
    sizes = {f"model.backbone.{key}" for key in ("plain_first", "repeats", "widen_factor")}
    sizes |= {"model.neck.num_blocks", "model.neck.widen_factor", "model.bbox_head.anchors"}
    assert {key for key in keys if not key.startswith("model.bbox_head.loss.")} == sizes


def test_swapping_a_backbone_is_one_line_of_the_config():
    pair = [(REPO / f"configs/yolov5_{name}_voc.py").read_text() for name in ("resnet18", "ghostnet")]
    codes = [text.partition('"""\n\n')[2].splitlines() for text in pair]
    assert [line for line in codes[0] if line not in codes[1]] == [
        'model = dict(backbone=dict(net=dict(type="mmpretrain.ResNet", depth=18)))'
    ]
