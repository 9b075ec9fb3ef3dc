"""MMDetection's necks and heads under our backbones, and its detectors as a whole on our data."""

import json
from pathlib import Path

import mmdet
import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict

from yolo_plugins.config import load_config
from yolo_plugins.costs.complexity import count_parts
from yolo_plugins.engine import YOLORunner
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import explain
from yolo_plugins.inference import detect, load_detector
from yolo_plugins.inference import test_pipeline as pipeline_of  # by its own name pytest would take it for a test
from yolo_plugins.models import to_deploy
from yolo_plugins.record import read_record
from yolo_plugins.registry import MODELS
from yolo_plugins.structures import TrainingSamples

S = 128
BACKBONE = dict(type="YOLOv5CSP", deepen_factor=0.33, widen_factor=0.125)
YOLO_HEAD = dict(type="YOLOAnchorHead", num_classes=3)
NECKS = {
    "FPN": dict(type="mmdet.FPN", out_channels=16, num_outs=3),
    "PAFPN": dict(type="mmdet.PAFPN", out_channels=24, num_outs=3),
    "YOLOXPAFPN": dict(type="mmdet.YOLOXPAFPN", out_channels=16, num_csp_blocks=1),
    "FPN and DyHead": [
        dict(type="mmdet.FPN", out_channels=16, num_outs=3),
        dict(type="mmdet.ChannelMapper", in_channels=[16] * 3, out_channels=8, num_outs=3),
    ],
}
HEADS = {name: load_config(f"{name}_voc").model for name in ("retinanet_resnet18", "yolox_tiny", "rtmdet_tiny")}
WHOLE = {  # of MMDetection's own configs, on ResNet-18 where they are on ResNet-50
    "RetinaNet": "retinanet/retinanet_r50_fpn_1x_coco.py",
    "FCOS": "fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py",
    "RTMDet": "rtmdet/rtmdet_tiny_8xb32-300e_coco.py",
}


def build(**parts):
    torch.manual_seed(0)
    return MODELS.build(dict(type="SingleStageDetector", backbone=BACKBONE, **parts))


def batch(detector, n=2):
    """Preprocessed pictures with two objects each, as training gives them."""
    boxes = [[0, 1, 10.0, 10, 60, 70], [0, 2, 30, 40, 120, 110], [1, 0, 5, 5, 40, 90], [1, 1, 60, 60, 99, 99]]
    samples = TrainingSamples.from_rows(torch.tensor(boxes), [{"img_shape": (S, S), "ori_shape": (S, S)}] * n)
    pixels = torch.randint(0, 256, (n, 3, S, S), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return detector.data_preprocessor({"inputs": pixels, "data_samples": samples}, training=True)


def detections(detector):
    data = batch(detector)
    for sample in data["data_samples"]:
        sample.set_metainfo({"scale_factor": (1.0, 1.0), "pad_param": (0, 0, 0, 0)})
    with torch.no_grad():
        return detector.eval()(**data, mode="predict")


def assert_learns(detector):
    """One training step reaches parameters of every part with finite gradients."""
    loss, logged = detector.parse_losses(detector.train()(**batch(detector), mode="loss"))
    loss.backward()
    assert torch.isfinite(loss) and all(torch.isfinite(value).all() for value in logged.values())
    for part in ("backbone", "neck", "bbox_head"):
        gradients = [value.grad for value in getattr(detector, part).parameters() if value.grad is not None]
        assert gradients and all(torch.isfinite(value).all() for value in gradients), part


@pytest.mark.parametrize("neck", NECKS)
def test_a_neck_of_mmdetection_is_measured_and_learns_under_our_head(neck):
    detector = build(neck=NECKS[neck], bbox_head=YOLO_HEAD)
    widths = {"FPN": 16, "PAFPN": 24, "YOLOXPAFPN": 16}.get(neck, 8)
    assert [layer.in_channels for layer in detector.bbox_head.predictors] == [widths] * 3
    assert detector.strides == [8, 16, 32] == detector.bbox_head.strides
    assert_learns(detector)
    assert all(result.pred_instances.bboxes.shape[1] == 4 for result in detections(detector))


def test_further_levels_of_a_neck_have_their_measured_strides():
    neck = dict(type="mmdet.FPN", out_channels=16, num_outs=5, add_extra_convs="on_output")
    assert build(neck=neck, bbox_head=dict(YOLO_HEAD, anchors=[[(9, 9)]] * 5)).strides == [8, 16, 32, 64, 128]


@pytest.mark.parametrize("name", ["retinanet_resnet18", "yolox_tiny", "rtmdet_tiny"])
def test_a_head_of_mmdetection_learns_under_our_backbone(name):
    model = HEADS[name]
    head = {key: value for key, value in model.bbox_head.items() if key not in ("in_channels", "strides")}
    if "." not in head["type"]:
        head["type"] = f"mmdet.{head['type']}"
    outs = 5 if name == "retinanet_resnet18" else 3
    neck = dict(type="mmdet.FPN", out_channels=head["feat_channels"], num_outs=outs, add_extra_convs="on_output")
    cfgs = {key: ConfigDict(model[key]) for key in ("train_cfg", "test_cfg")}
    detector = build(neck=neck, bbox_head=head | {"num_classes": 3}, **cfgs)
    assert detector.num_classes == 3
    assert_learns(detector)
    for result in detections(detector):
        bboxes = result.pred_instances.bboxes
        assert ((bboxes >= 0) & (bboxes <= S)).all()  # in the picture
    deployed = to_deploy(detector, (S, S))
    assert deployed.deploy_report.fused
    assert count_parts(detector, (S, S))["macs_head"] > 0


def test_a_head_that_wants_one_width_is_refused_by_the_widths_of_the_neck():
    head = dict(type="mmdet.YOLOXHead", num_classes=3)
    with pytest.raises(UsageError, match=r"takes maps of one width, the neck gives \[32, 64, 128\]; put mmdet.FPN"):
        build(neck=dict(type="YOLOv5PAFPN", widen_factor=0.125), bbox_head=head)


def test_strides_that_are_typed_wrongly_are_refused():
    head = dict(type="mmdet.YOLOXHead", num_classes=3, feat_channels=8, strides=[4, 8, 16])
    with pytest.raises(UsageError, match=r"made for strides \[4, 8, 16\], the neck gives \[8, 16, 32\]"):
        build(neck=NECKS["FPN"], bbox_head=head)


def test_a_neck_that_does_not_run_on_the_maps_is_refused():
    with pytest.raises(UsageError, match=r"neck mmdet.FPN does not run on maps of \[32, 64, 128\] channels.*give it"):
        build(neck=dict(type="mmdet.FPN", in_channels=[8, 8, 8], out_channels=8, num_outs=3), bbox_head=YOLO_HEAD)


def whole(name):
    """Config of one of MMDetection's own detectors for 20 classes, from its package."""
    model = Config.fromfile(Path(mmdet.__file__).parent / ".mim" / "configs" / WHOLE[name]).model
    model.bbox_head.num_classes = 20
    if model.backbone.type == "ResNet":
        model.backbone.update(depth=18, frozen_stages=-1)
        model.neck.in_channels = [64, 128, 256, 512]
    model.backbone.init_cfg = None
    return json.loads(json.dumps(model.to_dict()).replace('"SyncBN"', '"BN"'))


@pytest.fixture(params=WHOLE)
def config(request, synthetic_voc, tmp_path):
    options = [f"data_root={synthetic_voc}", "img_size=64", "train_cfg.max_epochs=1", "train_dataloader.batch_size=8"]
    options += [f"{loader}_dataloader.num_workers=0" for loader in ("train", "val")]
    config = load_config("rtmdet_tiny_voc", options, str(tmp_path / "run"))
    config.model = ConfigDict(whole(request.param))  # as it stands in MMDetection: bare names, its own scope
    config.model["type"] = f"mmdet.{config.model['type']}"
    config.experiment_name = request.node.name
    return config


def test_a_detector_of_mmdetection_runs_through_everything_that_ours_run_through(config, synthetic_voc):
    runner = YOLORunner.from_cfg(config)
    runner.train()
    record = read_record(Path(config.work_dir) / "record.json")
    assert record["status"] == "complete"
    (row,) = record["epochs"]
    assert row["train_loss"] == pytest.approx(sum(row["losses"].values())) and {"cls", "bbox"} <= set(row["losses"])
    assert 0 <= row["scores"]["ap50"] <= 1
    assert record["modules"]["detector"] == config.model.type
    assert record["complexity"]["params"] > 1e6 and record["complexity"]["macs_head"] > 0
    checkpoint = Path(config.work_dir) / "epoch_1.pth"
    detector = load_detector(config, checkpoint)
    assert detector.deploy_report.fused
    (found,) = detect(detector, [np.full((48, 64, 3), 114, np.uint8)], pipeline_of(config))
    assert found.bboxes.shape[1] == 4


def test_padding_before_the_picture_is_refused_for_a_detector_that_does_not_take_it_off(config):
    config.val_dataloader.dataset.pipeline[1].centre = True
    with pytest.raises(UsageError, match=r"knows of no padding before the picture: take the base voc0712_320_corner"):
        YOLORunner.from_cfg(config).train()


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (
            {"neck": dict(type="mmdet.FPN", deepen_factor=1)},
            "FPN takes no 'deepen_factor'; where it replaces another type",
        ),
        ({"bbox_head": dict(type="mmdet.RetinaHead")}, "RetinaHead needs 'num_classes'; state what is missing"),
        (
            {"bbox_head": dict(YOLO_HEAD, loss=dict(type="mmdet.FocalLoss"))},
            "bbox_head.loss='mmdet.FocalLoss' takes pred, target, not one LossInput",
        ),
    ],
)
def test_options_that_do_not_go_with_a_type_of_mmdetection_are_one_sentence(parts, sentence):
    with pytest.raises(Exception) as caught:  # noqa: PT011, each its own
        build(**{"neck": NECKS["FPN"], "bbox_head": YOLO_HEAD, **parts})
    assert explain(caught.value).startswith(sentence)
