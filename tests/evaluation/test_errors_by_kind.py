"""One picture for each kind of error, and sums that have to hold for any detections."""

import numpy as np
import pytest

from yolo_plugins.evaluation.average_precision import match_detections
from yolo_plugins.evaluation.errors_by_kind import (
    KINDS,
    RIGHT,
    confusion_matrix,
    count_errors,
    errors_per_picture,
    judge,
)

CAT, DOG = 0, 1
OBJECT = [0, 0, 40, 40]


def arrays(rows, last):
    image, labels, bboxes, values = zip(*rows, strict=True) if rows else ([], [], np.zeros((0, 4)), [])
    return {"image": image, "labels": labels, "bboxes": bboxes, last: values}


def judged(objects, found, confidence=0.5, mode="area"):
    """Rows of (picture, class, box, difficult) and (picture, class, box, score)."""
    matches = match_detections(arrays(objects, "difficult"), arrays(found, "scores"), 2, mode)
    return judge(matches, confidence)


@pytest.mark.parametrize(
    ("found", "kinds", "truth"),
    [
        ([(CAT, OBJECT, 0.9)], [RIGHT], RIGHT),
        ([], [], "missed"),
        ([(CAT, OBJECT, 0.4)], [], "missed"),  # not sure enough
        ([(CAT, OBJECT, 0.9), (CAT, [2, 0, 42, 40], 0.8)], [RIGHT, "twice"], RIGHT),
        ([(DOG, OBJECT, 0.9)], ["class"], "class"),
        ([(CAT, [20, 0, 60, 40], 0.9)], ["place"], "place"),  # IoU 1/3
        ([(DOG, [20, 0, 60, 40], 0.9)], ["background"], "missed"),  # TIDE's "both"
        ([(CAT, [100, 0, 140, 40], 0.9)], ["background"], "missed"),
        ([(CAT, OBJECT, 0.6), (DOG, OBJECT, 0.9)], [RIGHT, "class"], RIGHT),
    ],
)
@pytest.mark.parametrize("mode", ["area", "coco101"])
def test_kinds(found, kinds, truth, mode):
    verdicts = judged([(0, CAT, OBJECT, False)], [(0, *row) for row in found], mode=mode)
    assert verdicts.kind.tolist() == kinds
    assert verdicts.truth_kind.tolist() == [truth]


def test_difficult_objects_are_not_missed_and_what_finds_them_is_ignored():
    verdicts = judged([(0, CAT, OBJECT, True)], [(0, CAT, OBJECT, 0.9)])
    assert not len(verdicts.truth)
    assert not len(verdicts.found)


def test_matrix_says_what_was_taken_for_what():
    objects = [(0, CAT, OBJECT, False), (1, CAT, OBJECT, False), (2, DOG, OBJECT, False), (3, DOG, OBJECT, False)]
    found = [(0, CAT, OBJECT, 0.9), (1, DOG, OBJECT, 0.9), (2, DOG, OBJECT, 0.9), (2, CAT, [90, 0, 99, 9], 0.9)]
    assert confusion_matrix(judged(objects, found), 2).tolist() == [[1, 1, 0], [0, 1, 1], [1, 0, 0]]


def test_sizes_are_those_of_coco_in_pixels():
    sides = (31, 32, 95, 96)
    objects = [(side, CAT, [0, 0, side, side], False) for side in sides]
    counted = count_errors(judged(objects, []))
    assert counted["objects"] == counted["missed"] == [1, 2, 1]
    assert counted["found"] == [0, 0, 0]


def test_sums_hold_for_random_boxes():
    rng = np.random.default_rng(0)
    for mode in ("area", "coco101"):
        start = rng.random((60, 2)) * 40
        bboxes = np.concatenate([start, start + 10 + rng.random((60, 2)) * 30], axis=1)
        gt = {"image": rng.integers(0, 12, 60), "labels": rng.integers(0, 3, 60), "bboxes": bboxes}
        source = rng.integers(0, 60, 200)
        found = {
            "image": gt["image"][source],
            "labels": rng.integers(0, 3, 200),
            "bboxes": bboxes[source] + rng.exponential(5, (200, 1)) * rng.normal(size=(200, 4)),
            "scores": rng.random(200),
        }
        matches = match_detections(gt | {"difficult": rng.random(60) < 0.2}, found, 3, mode)
        verdicts = judge(matches, 0.3)
        assert set(verdicts.kind) == {RIGHT, *KINDS} - {"missed"}
        matrix = confusion_matrix(verdicts, 3)
        np.testing.assert_array_equal(matrix[:-1].sum(1), matches.n_gt)
        np.testing.assert_array_equal(matrix[:, :-1].sum(0), np.bincount(verdicts.found.labels, minlength=3))
        counted = count_errors(verdicts)
        assert sum(counted["found"]) == np.trace(matrix[:-1, :-1]) == (verdicts.kind == RIGHT).sum()
        table = errors_per_picture(verdicts, 3, matches.images, 12)
        assert table.sum(0).tolist() == [sum(counted[kind]) for kind in KINDS]
