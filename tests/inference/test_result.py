"""A result as values, as a table, as a picture."""

import json
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from yolo_plugins.errors import UsageError
from yolo_plugins.inference import Boxes, Result

IMAGE = np.full((40, 60, 3), 90, np.uint8)
XYXY = np.array([[1, 2, 30, 20.5], [10, 12, 59, 39]], np.float32)


@pytest.fixture
def result() -> Result:
    boxes = Boxes(XYXY, np.array([0.75, 0.5], np.float32), np.array([1, 0]), ["nut", "screw"])
    return Result(IMAGE.copy(), boxes, ("screw", "nut"), "a/clip.mp4", "clip.mp4", 3, 0.125)


@pytest.fixture
def nothing() -> Result:
    boxes = Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), [])
    return Result(IMAGE.copy(), boxes, ("screw", "nut"))


def test_plain_values_go_to_json_and_back(result, nothing):
    content = json.loads(json.dumps(result.to_dict()))
    assert content == {
        "path": "a/clip.mp4",
        "frame": 3,
        "seconds": 0.125,
        "width": 60,
        "height": 40,
        "boxes": [
            {"label": "nut", "score": 0.75, "bbox_xyxy": [1.0, 2.0, 30.0, 20.5]},
            {"label": "screw", "score": 0.5, "bbox_xyxy": [10.0, 12.0, 59.0, 39.0]},
        ],
    }
    assert nothing.to_dict() == {"path": "", "width": 60, "height": 40, "boxes": []}
    assert result.size_wh == (60, 40)


def test_a_table_has_a_row_a_box(result, nothing):
    pandas = pytest.importorskip("pandas")
    columns = ["path", "frame", "seconds", "name", "label", "score", "x1", "y1", "x2", "y2"]
    table = result.to_frame()
    assert list(table.columns) == columns
    assert table.iloc[0].tolist() == ["a/clip.mp4", 3, 0.125, "nut", 1, 0.75, 1, 2, 30, 20.5]
    assert list(nothing.to_frame().columns) == columns
    assert len(pandas.concat([table, nothing.to_frame(), table], ignore_index=True)) == 4


def test_the_drawn_picture_is_rgb_and_the_picture_stays(result, nothing):
    drawn = np.asarray(result.draw())
    assert drawn.shape == IMAGE.shape and (drawn != 90).any()
    np.testing.assert_array_equal(result.image, IMAGE)
    blue = Result(np.zeros((9, 9, 3), np.uint8) + np.array([255, 0, 0], np.uint8), nothing.boxes, ("screw",))
    assert blue.draw().getpixel((4, 4)) == (0, 0, 255)


def test_a_notebook_shows_the_drawn_picture(result):
    with Image.open(BytesIO(result._repr_png_())) as shown:
        assert shown.format == "PNG"
        np.testing.assert_array_equal(np.asarray(shown), np.asarray(result.draw()))


def test_the_drawn_picture_is_saved_in_the_format_of_the_name(result, tmp_path):
    result.save(tmp_path / "new" / "a.png")
    with Image.open(tmp_path / "new" / "a.png") as saved:
        np.testing.assert_array_equal(np.asarray(saved), np.asarray(result.draw()))
    result.save(str(tmp_path / "a.jpg"))
    assert (tmp_path / "a.jpg").read_bytes()[:3] == b"\xff\xd8\xff"
    for name in ("a.xyz", "a"):
        with pytest.raises(UsageError, match=f"{name}: cannot be written in this format; give a name that ends with"):
            result.save(tmp_path / name)


def test_it_says_what_it_is(result, nothing):
    assert repr(result) == "Result(a/clip.mp4, frame 3, 60 x 40: 1 nut, 1 screw)"
    assert repr(nothing) == "Result(array, 60 x 40: nothing)"
