"""Folders of pictures in, drawn pictures and detections.json out; boxes in pixels of the picture."""

import json
from copy import deepcopy
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from PIL import Image

from yolo_plugins import inference
from yolo_plugins.config import load_config
from yolo_plugins.errors import UsageError
from yolo_plugins.models.detectors.yolo_detector import to_original
from yolo_plugins.registry import MODELS

CLASSES = ("screw", "nut")
TINY = [
    "img_size=64,96",
    "model.backbone.widen_factor=0.125",
    "model.neck.widen_factor=0.125",
    "model.bbox_head.num_classes=2",
]


@pytest.fixture(scope="module")
def config():
    config = load_config("yolov5_n_voc", TINY)
    config.test_dataloader.dataset.metainfo = dict(classes=CLASSES)
    inference.set_thresholds(config, 0.0, 0.45)
    return config


@pytest.fixture(scope="module")
def checkpoint(config, tmp_path_factory) -> str:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.pth"
    meta = {"dataset_meta": {"classes": CLASSES}}
    torch.save({"state_dict": MODELS.build(config.model).state_dict(), "meta": meta}, path)
    return str(path)


@pytest.fixture
def folder(tmp_path) -> Path:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    return pictures


def add_picture(path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def detections(out: Path) -> dict:
    return json.loads((out / "detections.json").read_text())


def test_a_picture_that_cannot_be_read_is_named_and_the_others_are_done(config, checkpoint, folder, tmp_path):
    for name in ("a.png", "b.jpg", "c.png"):
        add_picture(folder / name)
    (folder / "b.jpg").write_bytes((folder / "b.jpg").read_bytes()[:-200])
    (folder / "c.txt").touch()
    (folder / "d.png").mkdir()
    (folder / "e.png").symlink_to("nowhere.png")
    outcome = inference.infer_folder(config, checkpoint, str(folder), str(tmp_path / "out"))
    assert (outcome.drawn, outcome.skipped) == (2, ["c.txt", "d.png"])
    broken, gone = outcome.faults
    assert broken.startswith(f"{folder / 'b.jpg'}: cannot decode the image")
    assert gone.startswith(f"{folder / 'e.png'}: ")
    found = detections(tmp_path / "out")
    assert sorted(found) == ["a.png", "c.png"]
    assert all(found.values())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.png", "detections.json"]


def test_what_cannot_be_written_becomes_png_under_a_name_of_its_own(config, checkpoint, folder, tmp_path, monkeypatch):
    for name in ("a.gif", "a.jpg", "a.png", "a.gif.png", "a.tif"):
        add_picture(folder / name)
    encode = cv2.imencode

    def without_tif_and_gif(suffix, picture):
        if suffix == ".gif":
            raise cv2.error("could not find a writer for the specified extension")
        return (False, None) if suffix == ".tif" else encode(suffix, picture)

    monkeypatch.setattr(cv2, "imencode", without_tif_and_gif)
    outcome = inference.infer_folder(config, checkpoint, str(folder), str(tmp_path / "out"))
    assert (outcome.drawn, outcome.faults) == (5, [])
    names = ["a.gif.png", "a.gif.png.png", "a.jpg", "a.png", "a.tif.png"]
    assert sorted(detections(tmp_path / "out")) == names
    for name in names:
        assert cv2.imread(str(tmp_path / "out" / name)).shape == (40, 60, 3)


def test_a_run_that_is_broken_off_keeps_what_is_done(config, checkpoint, folder, tmp_path, monkeypatch):
    for name in ("a.png", "b.png"):
        add_picture(folder / name)
    detect = inference.detect
    calls = []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return detect(*arguments)

    monkeypatch.setattr(inference, "detect", interrupted)
    with pytest.raises(KeyboardInterrupt):
        inference.infer_folder(config, checkpoint, str(folder), str(tmp_path / "out"))
    assert list(detections(tmp_path / "out")) == ["a.png"]


def test_a_score_that_is_no_number_is_null(config, checkpoint, folder, tmp_path, monkeypatch):
    add_picture(folder / "a.png")
    found = InstanceData(bboxes=torch.ones(1, 4), scores=torch.tensor([torch.nan]), labels=torch.tensor([1]))
    monkeypatch.setattr(inference, "detect", lambda *_: found)
    inference.infer_folder(config, checkpoint, str(folder), str(tmp_path / "out"))
    assert detections(tmp_path / "out") == {"a.png": [{"label": "nut", "score": None, "bbox_xyxy": [1.0] * 4}]}


def test_what_is_no_source_is_told(config, checkpoint, folder, tmp_path):
    def infer(source, out="out"):
        inference.infer_folder(config, checkpoint, str(source), str(tmp_path / out))

    with pytest.raises(UsageError, match=r"nowhere: no such picture or folder; check the path"):
        infer(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"pictures: no picture found; give a picture, or a folder that holds some"):
        infer(folder)
    (folder / "a.jpg").touch()
    with pytest.raises(UsageError, match=r"a\.jpg: cannot decode the image"):
        infer(folder / "a.jpg")
    with pytest.raises(UsageError, match="is the folder of the pictures; give another one"):
        infer(folder, "pictures")


def test_weights_of_other_classes_are_refused(config, checkpoint):
    other = deepcopy(config)
    other.test_dataloader.dataset.metainfo = dict(classes=CLASSES[::-1])
    with pytest.raises(
        UsageError, match=r"tiny\.pth: its classes are screw, nut, those of the config nut, screw; give"
    ):
        inference.load_detector(other, checkpoint)
    other.test_dataloader.dataset.metainfo = dict(classes=(*CLASSES, "bolt"))
    with pytest.raises(UsageError, match=r"model\.bbox_head\.num_classes=2, but VOCDataset has 3 classes"):
        inference.load_detector(other, checkpoint)


def test_class_names_are_those_of_the_data_set_unless_the_config_states_others(config):
    assert tuple(inference.class_names(config)) == CLASSES
    assert inference.class_names(load_config("yolov5_n_voc"))[14] == "person"


@pytest.mark.parametrize("hw", [(40, 60), (30, 200), (200, 30), (64, 96), (500, 375)])
def test_a_box_comes_back_through_an_input_that_is_not_square(config, hw):
    sample = inference.test_pipeline(config)(
        dict(img=np.zeros((*hw, 3), np.uint8), img_shape=hw, ori_shape=hw, img_id="", img_path="")
    )
    assert sample["inputs"].shape == (3, 64, 96)
    known = sample["data_samples"]
    top, bottom, left, right = known.pad_param
    inner = torch.tensor([[left, top, 96 - right, 64 - bottom]], dtype=torch.float32)
    torch.testing.assert_close(to_original(inner, known), torch.tensor([[0.0, 0, hw[1], hw[0]]]), atol=1e-4, rtol=0)
    bbox = torch.tensor([[3.0, 7.0, 21.0, 29.0]])
    scale, offset = torch.tensor(known.scale_factor).repeat(2), torch.tensor([left, top]).repeat(2)
    torch.testing.assert_close(to_original(bbox * scale + offset, known), bbox, atol=1e-4, rtol=0)
