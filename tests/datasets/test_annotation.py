"""Facts about the rules for boxes and classes, which the readers of all layouts share."""

import numpy as np
import pytest

from yolo_plugins.datasets.annotation import (
    Annotation,
    check_boxes,
    check_classes,
    describe_left_out,
    label_classes,
)
from yolo_plugins.errors import UsageError


def check(*boxes, clip=False, inclusive=False):
    """Judges boxes of a 100 x 80 picture."""
    sizes = np.tile([100, 80], (len(boxes), 1))
    return check_boxes(np.array(boxes, dtype=np.float64).reshape(-1, 4), sizes, clip, lambda k: boxes[k], inclusive)


def test_sound_boxes_stay_as_they_are():
    boxes, has_area, faults = check((0, 0, 100, 80), (10.25, 20, 30, 40.5))
    assert boxes.tolist() == [[0, 0, 100, 80], [10.25, 20, 30, 40.5]] and boxes.dtype == np.float32
    assert has_area.all() and not faults


def test_no_box_is_no_fault():
    boxes, has_area, faults = check()
    assert boxes.shape == (0, 4) and has_area.shape == (0,) and not faults


def test_up_to_a_pixel_over_any_border_is_clipped():
    boxes, has_area, faults = check((-1, -1, 101, 81), (-0.5, 70, 20, 80.75))
    assert boxes.tolist() == [[0, 0, 100, 80], [0, 70, 20, 80]]
    assert has_area.all() and not faults


@pytest.mark.parametrize("box", [(-1.5, 0, 9, 9), (0, -2, 9, 9), (0, 0, 101.5, 9), (0, 0, 9, 82), (200, 0, 300, 9)])
def test_more_than_a_pixel_over_a_border_is_a_fault_unless_clipped(box):
    assert "is outside the 100x80 picture by more than a pixel" in check((1, 1, 9, 9), box)[2][1]
    assert not check(box, clip=True)[2]


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_coordinates_are_finite(clip, bad):
    for place in range(4):
        box = [1, 1, 9, 9]
        box[place] = bad
        assert check(box, clip=clip)[2] == {0: f"box {box} is not four numbers"}


@pytest.mark.parametrize("clip", [False, True])
def test_inverted_corners_are_a_fault(clip):
    assert check((9, 1, 8, 9), (1, 9, 9, 8), clip=clip)[2] == {
        0: "inverted box (9, 1, 8, 9)",
        1: "inverted box (1, 9, 9, 8)",
    }


def test_box_without_area_is_no_fault():
    _, has_area, faults = check((5, 5, 5, 9), (5, 5, 9, 5), (-1, 5, 0, 9), (1, 1, 2, 2))
    assert has_area.tolist() == [False, False, False, True] and not faults


def test_inclusive_corners_are_both_within_the_box():
    boxes, has_area, faults = check((1, 1, 100, 80), (7, 7, 7, 7), (7, 7, 6, 7), inclusive=True)
    assert boxes[:2].tolist() == [[0, 0, 100, 80], [6, 6, 7, 7]] and has_area[:2].all()
    assert faults == {2: "inverted box (7, 7, 6, 7)"}


def test_classes_become_their_places():
    labels, wanted, faults = label_classes(["nut", "screw"], ("screw", "nut"), None)
    assert labels.tolist() == [1, 0] and wanted.all() and not faults


def test_other_classes_are_faults_left_out_or_kept():
    names = ["nut", "bolt"]
    assert label_classes(names, ("nut",), None)[2] == {1: "unknown class 'bolt'"}
    labels, wanted, faults = label_classes(names, ("nut",), "background")
    assert wanted.tolist() == [True, False] and not faults
    labels, wanted, faults = label_classes(names, ("nut",), "ignore")
    assert labels.tolist() == [0, -1] and wanted.tolist() == [True, True] and not faults


@pytest.mark.parametrize("classes", ["person", None, (), ("nut", "nut"), ("nut", 3), 7])
def test_classes_are_a_list_of_different_names(classes):
    with pytest.raises(UsageError, match=r"metainfo\.classes=.* is no list of different names; write classes=\("):
        check_classes(classes, None)


def test_unknown_word_for_other_classes_is_refused():
    with pytest.raises(UsageError, match="others='drop' is unknown; give one of ignore, background"):
        check_classes(("nut",), "drop")


def test_what_was_left_out_is_told_in_a_line():
    empty = np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, bool)
    annotations = [
        Annotation("a.jpg", 9, 9, *empty, without_area=2, others=("nut", "bolt", "nut")),
        Annotation("b.jpg", 9, 9, *empty, without_area=1),
    ]
    told = "left out 3 boxes without area; left out 3 objects of other classes (nut 2, bolt 1)"
    assert describe_left_out(annotations, "background") == told
    assert describe_left_out(annotations, "ignore").endswith("; ignored 3 objects of other classes (nut 2, bolt 1)")
    assert describe_left_out(annotations[:0], None) == ""
