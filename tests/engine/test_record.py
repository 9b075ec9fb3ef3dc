"""The record's pure functions."""

import json
import math

import pytest
from mmengine.config import Config

from yolo_plugins.engine import record
from yolo_plugins.errors import UsageError
from yolo_plugins.record_file import RECORD_VERSION, read_record


def row(epoch, loss, ap50=None):
    return {"epoch": epoch, "train_loss": loss, "ap50": ap50}


def test_inverse_normalized_loss_is_largest_over_last():
    assert record.inverse_normalized_loss([0.2, 0.4, 0.1]) == pytest.approx(4)
    assert record.inverse_normalized_loss([0.5]) == 1


@pytest.mark.parametrize("losses", [[], [0.1, 0.0], [0.1, math.nan], [math.inf, 0.1]])
def test_inverse_normalized_loss_refuses_what_has_none(losses):
    with pytest.raises(ValueError, match="positive finite"):
        record.inverse_normalized_loss(losses)


def test_summary_names_the_best_epoch():
    summary = record.summarize_epochs([row(1, 2.0), row(2, 1.0, 0.5), row(3, 0.5, 0.4)])
    assert summary == {"epochs": 3, "inverse_normalized_loss": 4.0, "best_ap50": 0.5, "best_ap50_epoch": 2}
    assert record.summarize_epochs([])["inverse_normalized_loss"] is None


def test_config_hash_ignores_where_and_how_a_run_happens():
    base = {"model": {"type": "A"}, "work_dir": "x", "resume": False, "randomness": {"seed": 0}}
    loader = {"num_workers": 0, "dataset": {"data_root": "here"}}
    first = record.describe_config(Config(base | {"train_dataloader": loader}, filename=None))
    other = {"work_dir": "y", "resume": True, "randomness": {"seed": 1}}
    other_loader = {"num_workers": 8, "dataset": {"data_root": "there"}}
    assert record.describe_config(Config(base | other | {"train_dataloader": other_loader})) == first
    assert record.describe_config(Config(base | {"model": {"type": "B"}})) != first


def test_modules_are_named_with_the_network_that_they_wrap():
    wrapped = {"type": "PyramidBackbone", "net": {"type": "mmpretrain.ResNet", "depth": 18}}
    from_timm = {"type": "PyramidBackbone", "net": {"type": "timm", "model_name": "ghostnet_100"}}
    for backbone, name in ((wrapped, "mmpretrain.ResNet"), (from_timm, "ghostnet_100")):
        cfg = Config({"model": {"type": "YOLODetector", "backbone": backbone, "neck": {"type": "YOLOv5PAFPN"}}})
        modules = record.describe_config(cfg)["modules"]
        assert modules == {"backbone": f"PyramidBackbone({name})", "neck": "YOLOv5PAFPN"}


def test_versions_name_the_whole_stack():
    versions = record.describe_versions()
    assert set(versions) >= {"python", "torch", "torchvision", "mmengine", "mmcv", "mmdet", "numpy", "yolo_plugins"}
    assert versions["mmengine"]


def test_a_record_reads_back_and_numbers_that_are_not_finite_are_null(tmp_path):
    path = tmp_path / "record.json"
    record.write_record(path, {"schema_version": RECORD_VERSION, "epochs": [row(1, 1.0) | {"lr": math.nan}], "seed": 3})
    assert read_record(path)["epochs"] == [row(1, 1.0) | {"lr": None}]
    assert json.loads(path.read_text())["summary"]["epochs"] == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": 99}'])
def test_a_file_that_is_no_record_is_refused(tmp_path, text):
    path = tmp_path / "record.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"record\.json.*move it away"):
        read_record(path)


def test_git_is_unknown_outside_of_a_checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(record.yolo_plugins, "__file__", str(tmp_path / "__init__.py"))
    assert record.describe_git() is None
