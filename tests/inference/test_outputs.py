"""Results as files: every picture under a name of its own, what is done stays when the run is broken off."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_pictures import add_picture, add_video

from yolo_plugins.errors import UsageError
from yolo_plugins.inference import Boxes, Detector, open_source, write_results
from yolo_plugins.inference import detector as module
from yolo_plugins.inference.outputs import Outcome


@pytest.fixture
def folder(tmp_path) -> Path:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    return pictures


def write(detector: Detector, source: Path, **options: bool) -> Outcome:
    out = source.parent / "out"
    return write_results(detector(open_source(source, out), progress=False), out, **options)


def detections(folder: Path) -> dict:
    return json.loads((folder.parent / "out" / "detections.json").read_text())


def written(folder: Path) -> list[str]:
    out = folder.parent / "out"
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())


def test_a_picture_that_cannot_be_read_is_left_out_and_the_others_are_done(detector, folder):
    for name in ("a.png", "b.jpg", "c.png"):
        add_picture(folder / name)
    (folder / "b.jpg").write_bytes((folder / "b.jpg").read_bytes()[:-200])
    (folder / "c.txt").touch()
    with pytest.warns(match=r"b\.jpg: cannot decode the image"):
        assert write(detector, folder) == (2, [])
    assert list(detections(folder)) == ["a.png", "c.png"] and all(detections(folder).values())
    assert written(folder) == ["a.png", "c.png", "detections.json"]


def test_one_name_in_two_folders_is_two_files(detector, folder):
    for name in ("a.png", "x/a.png", "y/a.png"):
        add_picture(folder / name, seed=len(name))
    write(detector, folder, texts=True)
    assert list(detections(folder)) == ["a.png", "x/a.png", "y/a.png"]
    assert written(folder) == [
        *("a.png", "detections.json", "labels/a.txt", "labels/x/a.txt", "labels/y/a.txt", "x/a.png", "y/a.png"),
    ]


def test_what_cannot_be_written_becomes_png_under_a_name_of_its_own(detector, folder, monkeypatch):
    for name in ("a.gif", "a.jpg", "a.png", "a.gif.png", "a.tif"):
        add_picture(folder / name)
    encode = cv2.imencode

    def without_tif_and_gif(suffix, picture):
        if suffix == ".gif":
            raise cv2.error("could not find a writer for the specified extension")
        return (False, None) if suffix == ".tif" else encode(suffix, picture)

    monkeypatch.setattr(cv2, "imencode", without_tif_and_gif)
    assert write(detector, folder) == (5, [])
    names = ["a.gif.png", "a.gif.png.png", "a.jpg", "a.png", "a.tif.png"]
    assert sorted(detections(folder)) == names
    for name in names:
        assert cv2.imread(str(folder.parent / "out" / name)).shape == (40, 60, 3)


def test_a_run_that_is_broken_off_keeps_what_is_done(detector, folder, monkeypatch):
    for name in ("a.png", "b.png"):
        add_picture(folder / name)
    detect = module.detect
    calls = []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return detect(*arguments)

    monkeypatch.setattr(module, "detect", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(detector, folder, coco=True)
    assert list(detections(folder)) == ["a.png"]
    assert written(folder) == ["a.png", "coco.json", "detections.json"]


def test_a_score_that_is_no_number_is_null(detector, folder, monkeypatch):
    add_picture(folder / "a.png")
    odd = Boxes(np.ones((1, 4), np.float32), np.array([np.nan], np.float32), np.array([1]), ["nut"])
    monkeypatch.setattr(Detector, "_boxes", lambda *_: odd)
    write(detector, folder)
    assert detections(folder) == {"a.png": [{"label": "nut", "score": None, "bbox_xyxy": [1.0] * 4}]}


def test_the_folder_of_the_pictures_is_refused(detector, folder):
    add_picture(folder / "a.png")
    before = (folder / "a.png").read_bytes()
    for source in (folder, folder / "a.png", f"{folder}/*.png"):
        with pytest.raises(UsageError, match="is the folder of the pictures; give another one, so that none is overwr"):
            write_results(detector(source), folder)
    assert (folder / "a.png").read_bytes() == before and len(list(folder.iterdir())) == 1


def test_results_below_the_pictures_are_no_pictures_the_next_time(detector, folder):
    add_picture(folder / "a.png")
    for _ in range(2):
        write_results(detector(open_source(folder, folder / "out")), folder / "out")
        assert list(json.loads((folder / "out/detections.json").read_text())) == ["a.png"]


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "mp4v"), ("a.avi", "MJPG"), ("a.mkv", "MJPG")])
def test_a_video_is_written_as_one(detector, folder, name, codec):
    add_video(folder / name, 4, codec, rate=12)
    add_picture(folder / "b.png")
    assert write(detector, folder) == (5, [])
    drawn = name if name != "a.mkv" else "a.mkv.mp4"
    assert written(folder) == sorted([drawn, "b.png", "detections.json"])
    video = cv2.VideoCapture(str(folder.parent / "out" / drawn))
    size = video.get(cv2.CAP_PROP_FRAME_WIDTH), video.get(cv2.CAP_PROP_FRAME_HEIGHT)
    assert (video.get(cv2.CAP_PROP_FRAME_COUNT), size, round(video.get(cv2.CAP_PROP_FPS))) == (4, (96, 64), 12)
    frames = detections(folder)[drawn]
    assert {box["frame"] for box in frames} == {0, 1, 2, 3}
    assert next(box["seconds"] for box in frames if box["frame"] == 3) == pytest.approx(0.25)


def test_a_video_that_opencv_cannot_write_is_named_and_its_boxes_are_there(detector, folder, monkeypatch):
    add_video(folder / "a.mp4", 2)

    class Writer:
        fourcc = staticmethod(lambda *_: 0)

        def __init__(self, *_):
            pass

        def write(self, _):
            pass

        def release(self):
            pass

        def isOpened(self):  # noqa: N802
            return False

    monkeypatch.setattr(cv2, "VideoWriter", Writer)
    assert write(detector, folder) == (2, ["a.mp4"])
    assert written(folder) == ["detections.json"] and detections(folder)["a.mp4"]


def test_texts_are_yolos_with_a_score(detector, folder):
    for name in ("a.png", "a.jpg"):
        add_picture(folder / name, seed=1)
    add_video(folder / "c.mp4", 2)
    write(detector, folder, texts=True)
    names = sorted(path.name for path in (folder.parent / "out/labels").iterdir())
    assert names == ["a.png.txt", "a.txt", "c_0.txt", "c_1.txt"]
    rows = [line.split() for line in (folder.parent / "out/labels/a.png.txt").read_text().splitlines()]
    (result,) = detector(folder / "a.png")
    assert [int(row[0]) for row in rows] == result.boxes.labels.tolist()
    numbers = np.array([row[1:] for row in rows], np.float64)
    centre, size = numbers[:, :2] * (60, 40), numbers[:, 2:4] * (60, 40)
    np.testing.assert_allclose(np.hstack([centre - size / 2, centre + size / 2]), result.boxes.xyxy, atol=1e-3)
    np.testing.assert_allclose(numbers[:, 4], result.boxes.scores, atol=1e-6)


def test_coco_results_have_numbers_where_the_names_are_numbers(detector, folder):
    for name in ("000139.png", "b.png"):
        add_picture(folder / name, seed=1)
    write(detector, folder, coco=True)
    rows = json.loads((folder.parent / "out/coco.json").read_text())
    assert [row["image_id"] for row in rows] == sorted([139, "b.png"] * (len(rows) // 2), key=str)
    (result,) = detector(folder / "b.png")
    ours = [row for row in rows if row["image_id"] == "b.png"]
    assert [row["category_id"] for row in ours] == [label + 1 for label in result.boxes.labels.tolist()]
    assert [row["score"] for row in ours] == pytest.approx(result.boxes.scores.tolist())
    x1, y1, x2, y2 = result.boxes.xyxy[0].tolist()
    assert ours[0]["bbox"] == pytest.approx([x1, y1, x2 - x1, y2 - y1])
