"""`Detector`: weights alone are enough, names come from them, whatever the source and however many at a time."""

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from tiny_pictures import add_picture, add_video, pixels

import yolo_plugins
from yolo_plugins.config import load_config
from yolo_plugins.errors import UsageError
from yolo_plugins.inference import Detector, Results, UnreadablePicture
from yolo_plugins.inference import detector as module

WEIGHTS = Path(os.environ.get("YOLO_PLUGINS_WEIGHTS", "/nowhere"))


def test_it_is_imported_from_the_package_when_it_is_asked_for():
    assert yolo_plugins.Detector is Detector
    with pytest.raises(AttributeError, match="module 'yolo_plugins' has no attribute 'Detectro'"):
        _ = yolo_plugins.Detectro
    program = "import sys, yolo_plugins; print('torch' in sys.modules, 'cv2' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "False False\n"


def test_weights_alone_are_enough(detector):
    assert detector.names == ("screw", "nut")
    assert detector.device == torch.device("cpu")
    (result,) = detector(pixels())
    assert len(result.boxes.scores) and set(result.boxes.names) <= {"screw", "nut"}
    assert [detector.names[label] for label in result.boxes.labels] == result.boxes.names
    assert (np.diff(result.boxes.scores) <= 0).all()


def test_a_file_an_array_and_a_pillow_picture_give_the_same_boxes(detector, tmp_path):
    add_picture(tmp_path / "a.png")
    read = cv2.imread(str(tmp_path / "a.png"))
    (known,) = detector(tmp_path / "a.png")
    for source in (str(tmp_path / "a.png"), read, Image.open(tmp_path / "a.png"), Image.fromarray(read[..., ::-1])):
        (result,) = detector(source)
        for part in ("xyxy", "scores", "labels"):
            np.testing.assert_array_equal(getattr(result.boxes, part), getattr(known.boxes, part))


def test_a_batch_gives_the_boxes_of_one_at_a_time_and_is_all_that_is_held(tiny_checkpoint, tmp_path):
    one, three = (Detector(tiny_checkpoint, score_thr=0.0, batch_size=size, device="cpu") for size in (1, 3))
    images = [pixels(40 + 9 * seed, 90 - 9 * seed, seed) for seed in range(7)]
    for single, together in zip(one(images), three(images), strict=True):
        assert single.image is together.image and len(single.boxes.scores)
        np.testing.assert_allclose(single.boxes.xyxy, together.boxes.xyxy, atol=1e-3)
        np.testing.assert_allclose(single.boxes.scores, together.boxes.scores, atol=1e-5)
    taken = []

    def source():
        for image in images:
            taken.append(1)
            yield image

    results = three(source())
    assert taken == []
    next(results)
    assert len(taken) == 3


def test_thresholds_and_classes_choose_the_boxes(tiny_checkpoint, detector):
    (everything,) = detector(pixels())
    middle = float(np.median(everything.boxes.scores))
    (half,) = Detector(tiny_checkpoint, score_thr=middle)(pixels())
    assert 0 < len(half.boxes.scores) < len(everything.boxes.scores) and half.boxes.scores.min() >= middle
    (strict,) = Detector(tiny_checkpoint, score_thr=middle, iou_threshold=0.05)(pixels())
    assert len(strict.boxes.scores) < len(half.boxes.scores)
    (nuts,) = Detector(tiny_checkpoint, score_thr=0.0, classes=["nut"])(pixels())
    assert set(nuts.boxes.names) == {"nut"} and nuts.names == ("screw", "nut")
    assert len(nuts.boxes.names) == everything.boxes.names.count("nut")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (dict(score_thr=1.5), "score_thr=1.5: give a number from 0 to 1"),
        (dict(iou_threshold=float("nan")), "iou_threshold=nan: give a number from 0 to 1"),
        (dict(batch_size=0), "batch_size=0: give a whole number, 1 or more"),
        (dict(device="cuda:77"), "device='cuda:77' cannot be used here; give auto, cpu or cuda:0"),
        (dict(device="abacus"), "device='abacus' cannot be used here"),
        (dict(classes=["nit"]), "classes: the detector knows no 'nit'; did you mean 'nut'?"),
        (dict(config="yolov5_n_vok"), "config 'yolov5_n_vok' does not exist; did you mean 'yolov5_n_voc'?"),
        (dict(options=["modle.x=1"]), "the config has no 'modle'; did you mean 'model'?"),
    ],
)
def test_an_argument_that_cannot_be_is_one_line(tiny_checkpoint, arguments, sentence):
    with pytest.raises(UsageError) as caught:
        Detector(tiny_checkpoint, **arguments)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_names_come_from_the_file_and_else_from_the_config(make_checkpoint, tiny_config):
    assert Detector(make_checkpoint(dataset_meta=None)).names == ("screw", "nut")
    own = ["img_size=64", "model.backbone.widen_factor=0.125", "model.neck.widen_factor=0.125"]
    assert Detector(make_checkpoint(), "yolov5_n_voc", options=own).names == ("screw", "nut")
    with pytest.raises(UsageError, match=r"changed\.pth: its classes are screw, nut, those of the config a, b"):
        Detector(make_checkpoint(), tiny_config, options=["test_dataloader.dataset.metainfo.classes=['a', 'b']"])
    with pytest.raises(UsageError, match=r"model\.bbox_head\.num_classes=3, but .*changed\.pth has 2 classes"):
        Detector(make_checkpoint(), "yolov5_n_voc", options=[*own, "model.bbox_head.num_classes=3"])


def test_a_checkpoint_without_a_config_asks_for_one(make_checkpoint, tiny_config):
    path = make_checkpoint(cfg=None)
    with pytest.raises(UsageError, match=r"changed\.pth: holds no config; give the config that it was trained with"):
        Detector(path)
    assert Detector(path, tiny_config).names == ("screw", "nut")


def test_a_file_does_not_choose_a_config_that_is_not_ours(make_checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil_coco.py").write_text("raise SystemExit('ran')")
    for name in ("evil", str(tmp_path / "evil")):
        with pytest.raises(UsageError, match="holds no config"):
            Detector(make_checkpoint(cfg=None, model=name))


def test_a_bad_picture_among_others_is_a_warning_and_alone_an_error(detector, tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        add_picture(tmp_path / name)
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:60])
    results = detector(tmp_path)
    with pytest.warns(UnreadablePicture, match=r"b\.png: cannot decode the image") as caught:
        assert [Path(result.path).name for result in results] == ["a.png", "c.png"]
    assert len(caught) == 1 and caught[0].filename == __file__
    assert results.faults == [str(caught[0].message)]
    with pytest.raises(UsageError, match=r"b\.png: cannot decode the image"):
        next(detector(tmp_path / "b.png"))


def test_a_damaged_video_gives_its_sound_frames_and_tells_the_rest(detector, tmp_path):
    add_video(tmp_path / "a.avi", 8, "MJPG")
    content = (tmp_path / "a.avi").read_bytes()
    (tmp_path / "a.avi").write_bytes(content[: len(content) * 2 // 3])
    results = detector(tmp_path / "a.avi")
    with pytest.warns(UnreadablePicture):
        frames = [result.frame for result in results]
    assert frames == list(range(len(frames))) and 0 < len(frames) < 8
    assert results.faults == [f"{tmp_path / 'a.avi'}: {8 - len(frames)} of 8 frames cannot be read; restore the file"]


class _Bar:
    """Notes how a progress bar is made and moved."""

    made: ClassVar[list[dict]] = []
    moved = 0

    def __init__(self, **options):
        self.made.append(options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def update(self, number=1):
        type(self).moved += number


@pytest.mark.parametrize(
    ("source", "progress", "total", "disable"),
    [
        ([0, 1, 2], True, 3, False),
        ([0, 1, 2], False, 3, True),
        ([0], True, 1, True),
        ("iterator", True, None, True),
    ],
)
def test_a_bar_shows_where_the_length_is_known_and_more_than_one(
    detector, monkeypatch, source, progress, total, disable
):
    monkeypatch.setattr(module, "tqdm", _Bar)
    monkeypatch.setattr(module, "_is_watched", lambda: True)
    images = [pixels(seed=0), pixels(seed=1), pixels(seed=2)]
    results = detector(iter(images) if source == "iterator" else [images[place] for place in source], progress)
    assert isinstance(results, Results)
    number = len(list(results))
    assert (_Bar.made[-1]["total"], _Bar.made[-1]["disable"], _Bar.moved) == (total, disable, number)
    _Bar.moved = 0


def test_a_terminal_and_a_notebook_are_watched(monkeypatch):
    assert not module._is_watched()
    monkeypatch.setitem(sys.modules, "ipykernel.zmqshell", sys)
    assert module._is_watched()
    monkeypatch.delitem(sys.modules, "ipykernel.zmqshell")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert module._is_watched()


def test_no_bar_in_a_pipe(detector, tmp_path, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(detector([pixels(), pixels()]))
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not WEIGHTS.is_dir(), reason="YOLO_PLUGINS_WEIGHTS names no folder of official weights")
@pytest.mark.parametrize(
    ("name", "count", "first"),
    [("yolov5n_coco", 80, "person"), ("yolov5n_one_class", 1, "damage"), ("yolov5n_2024", 5, "black_core")],
)
def test_an_official_file_needs_no_config_and_names_its_classes(name, count, first):
    found = Detector(WEIGHTS / f"{name}.pt", options=["img_size=320"])
    assert (len(found.names), found.names[0]) == (count, first)
    assert found.config.filename.endswith("yolov5_n_coco.py")
    assert len(list(found(np.full((60, 80, 3), 114, np.uint8)))) == 1


def test_a_config_that_was_read_is_not_changed(tiny_checkpoint, tiny_config):
    before = tiny_config.to_dict()
    Detector(tiny_checkpoint, tiny_config, score_thr=0.77, options=["model.test_cfg.max_per_img=3"])
    assert tiny_config.to_dict() == before
    assert load_config("yolov5_n_voc").model.test_cfg.score_thr != 0.77
