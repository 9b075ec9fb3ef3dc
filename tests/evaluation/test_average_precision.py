"""Facts about `evaluate_detections`: golden numbers, rules of matching, empty and faulty input."""

import json
import math
import time

import numpy as np
import pytest

from yolo_plugins.errors import UsageError
from yolo_plugins.evaluation.average_precision import evaluate_detections

TOLERANCE = 1e-6
BOX = [0.0, 0.0, 10.0, 10.0]


def boxes(*rows, **extra):
    """(image, label, bbox, value) rows as the columns of `evaluate_detections`."""
    columns = {
        "image": np.array([row[0] for row in rows]),
        "labels": np.array([row[1] for row in rows]),
        "bboxes": np.array([row[2] for row in rows]),
    }
    return columns | {name: np.array(values) for name, values in extra.items()}


def ground_truth(*rows, difficult=None):
    return boxes(*rows) if difficult is None else boxes(*rows, difficult=difficult)


def found(*rows):
    return boxes(*rows, scores=[row[3] for row in rows])


@pytest.fixture
def golden(golden_dir):
    files = sorted(golden_dir.glob("map_golden*.json"))
    assert files, f"no map_golden*.json in {golden_dir}"
    return [json.loads(file.read_text()) for file in files]


def golden_input(reference, difficult):
    """Ground truth with difficult objects "kept" (as such), "as_ordinary" or "removed", and detections."""
    rows = [row for row in reference["ground_truth"] if difficult != "removed" or not row["difficult"]]
    gt = ground_truth(*[(row["image"], row["cls"], row["bbox"]) for row in rows])
    if difficult == "kept":
        gt["difficult"] = np.array([row["difficult"] for row in rows])
    return gt, found(*[(row["image"], row["cls"], row["bbox"], row["score"]) for row in reference["detections"]])


def num_classes(reference):
    return 1 + max(row["cls"] for row in reference["ground_truth"])


@pytest.mark.parametrize(
    ("treatment", "difficult"), [("as_ordinary", "as_ordinary"), ("as_crowd", "kept"), ("removed", "removed")]
)
def test_coco101_equals_pycocotools(golden, treatment, difficult):
    for reference in golden:
        expected = reference[f"coco_difficult_{treatment}"]
        scores = evaluate_detections(*golden_input(reference, difficult), num_classes(reference), "coco101")
        np.testing.assert_allclose(scores.ap, expected["ap_class_iou"], rtol=0, atol=TOLERANCE)
        assert scores.ap50_95 == pytest.approx(expected["stats"][0], abs=TOLERANCE)
        assert scores.ap50 == pytest.approx(expected["stats"][1], abs=TOLERANCE)


@pytest.mark.parametrize("plus", [0, 1])
def test_area_equals_voc_reference_at_ten_thresholds(golden, plus):
    for reference in golden:
        expected = reference[f"voc_iou0.5_plus{plus}"]
        gt, detections = golden_input(reference, "kept")
        scores = evaluate_detections(gt, detections, num_classes(reference), "area", inclusive_pixels=bool(plus))
        np.testing.assert_allclose(scores.ap, expected["area_class_iou_0.5_0.95"], rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(scores.ap50_per_class, [c["area"] for c in expected["per_class"]], atol=TOLERANCE)
        assert scores.ap50 == pytest.approx(expected["map_area"], abs=TOLERANCE)
        for name, counts in {
            "npos": scores.n_gt,
            "ndet": scores.n_det,
            "tp": scores.n_tp[:, 0],
            "fp": scores.n_fp[:, 0],
        }.items():
            assert counts.tolist() == [c[name] for c in expected["per_class"]]


@pytest.mark.parametrize("plus", [0, 1])
def test_11point_equals_voc_reference(golden, plus):
    for reference in golden:
        expected = reference[f"voc_iou0.5_plus{plus}"]
        gt, detections = golden_input(reference, "kept")
        scores = evaluate_detections(gt, detections, num_classes(reference), "11point", [0.5], bool(plus))
        np.testing.assert_allclose(scores.ap[:, 0], [c["eleven_point"] for c in expected["per_class"]], atol=TOLERANCE)
        assert scores.ap50 == pytest.approx(expected["map_11point"], abs=TOLERANCE)


@pytest.mark.parametrize("difficult", ["as_ordinary", "removed"])
def test_precision_and_recall_equal_yolov5(golden, difficult):
    for reference in golden:
        expected = reference[f"ultralytics_difficult_{difficult}"]
        scores = evaluate_detections(*golden_input(reference, difficult), num_classes(reference))
        assert scores.precision == pytest.approx(expected["mp"], abs=TOLERANCE)
        assert scores.recall == pytest.approx(expected["mr"], abs=TOLERANCE)
        np.testing.assert_allclose(scores.precision_per_class[expected["classes"]], expected["p"], atol=TOLERANCE)
        np.testing.assert_allclose(scores.recall_per_class[expected["classes"]], expected["r"], atol=TOLERANCE)
        assert scores.n_tp.sum(0).tolist() == np.sum(expected["correct"], 0).tolist()


@pytest.mark.parametrize("mode", ["area", "11point", "coco101"])
def test_perfect_detections_score_one(mode):
    gt = ground_truth((0, 0, BOX), (1, 1, BOX), (1, 1, [20, 20, 30, 30]))
    detections = found((0, 0, BOX, 0.9), (1, 1, [20, 20, 30, 30], 0.7), (1, 1, BOX, 0.8))
    scores = evaluate_detections(gt, detections, 2, mode)
    assert (scores.ap50, scores.ap50_95, scores.precision, scores.recall, scores.recall_max) == (1, 1, 1, 1, 1)


@pytest.mark.parametrize("mode", ["area", "11point", "coco101"])
def test_threshold_passes_at_equality(mode):
    gt, detections = ground_truth((0, 0, BOX)), found((0, 0, [0, 0, 10, 5], 0.9))  # IoU 1/2 exactly
    assert evaluate_detections(gt, detections, 1, mode, [0.5]).ap50 == 1
    assert evaluate_detections(gt, detections, 1, mode, [0.5 + 1e-9]).ap[0, 0] == 0


@pytest.mark.parametrize("mode", ["area", "11point", "coco101"])
def test_threshold_of_one_is_passed_by_a_perfect_box(mode):
    assert evaluate_detections(ground_truth((0, 0, BOX)), found((0, 0, BOX, 0.9)), 1, mode, [1.0]).ap[0, 0] == 1


def test_inclusive_pixels_add_one_to_every_side():
    gt, detections = ground_truth((0, 0, [0, 0, 9, 9])), found((0, 0, [0, 0, 9, 4], 0.9))  # 10 x 10 and 10 x 5 pixels
    assert evaluate_detections(gt, detections, 1, iou_thresholds=[0.5], inclusive_pixels=True).ap50 == 1
    assert evaluate_detections(gt, detections, 1, iou_thresholds=[0.5]).ap50 == 0


def test_second_detection_of_an_object_is_false():
    scores = evaluate_detections(ground_truth((0, 0, BOX)), found((0, 0, BOX, 0.5), (0, 0, [0, 0, 10, 9], 0.9)), 1)
    assert (scores.n_tp[0, 0], scores.n_fp[0, 0]) == (1, 1)
    assert scores.ap50 == 1  # the better-scored one came first


def test_voc_matches_only_the_most_overlapped_object_where_coco_takes_the_next_free_one():
    gt = ground_truth((0, 0, BOX), (0, 0, [0, 0, 10, 11]))
    detections = found((0, 0, BOX, 0.9), (0, 0, BOX, 0.8))
    assert evaluate_detections(gt, detections, 1, "area", [0.5]).n_tp.tolist() == [[1]]
    assert evaluate_detections(gt, detections, 1, "coco101", [0.5]).n_tp.tolist() == [[2]]


@pytest.mark.parametrize("mode", ["area", "11point", "coco101"])
def test_detections_of_difficult_objects_are_ignored(mode):
    gt = ground_truth((0, 0, BOX), (0, 0, [50, 50, 60, 60]), difficult=[False, True])
    hits = [(0, 0, [50, 50, 60, 60], 0.9), (0, 0, [50, 50, 60, 60], 0.8), (0, 0, BOX, 0.7)]
    scores = evaluate_detections(gt, found(*hits), 1, mode)
    assert scores.ap50 == 1
    assert (scores.n_gt[0], scores.n_det[0], scores.n_tp[0, 0], scores.n_fp[0, 0]) == (1, 3, 1, 0)
    assert (scores.precision, scores.recall) == (1, 1)


def test_class_with_difficult_objects_only_counts_as_without_ground_truth():
    gt = ground_truth((0, 0, BOX), (0, 1, BOX), difficult=[False, True])
    scores = evaluate_detections(gt, found((0, 0, BOX, 0.9), (0, 1, BOX, 0.9)), 2)
    assert scores.ap50 == 1
    assert np.isnan(scores.ap[1]).all()


@pytest.mark.parametrize("mode", ["area", "11point", "coco101"])
def test_classes_without_ground_truth_enter_no_mean(mode):
    gt = ground_truth((0, 2, BOX))
    scores = evaluate_detections(gt, found((0, 2, BOX, 0.9), (0, 0, BOX, 0.99)), 4, mode)
    assert np.isnan(scores.ap[[0, 1, 3]]).all()
    assert (scores.ap50, scores.ap50_95, scores.precision, scores.recall, scores.recall_max) == (1, 1, 1, 1, 1)
    assert scores.n_fp[0, 0] == 1


@pytest.mark.parametrize("mode", ["area", "11point", "coco101"])
def test_no_detections_score_zero(mode):
    scores = evaluate_detections(ground_truth((0, 0, BOX)), found(), 2, mode)
    assert (scores.ap50, scores.ap50_95, scores.precision, scores.recall, scores.recall_max) == (0, 0, 0, 0, 0)
    assert np.isnan(scores.ap[1]).all()


@pytest.mark.parametrize("mode", ["area", "11point", "coco101"])
@pytest.mark.parametrize("detections", [found(), found((0, 0, BOX, 0.5))], ids=["nothing", "one"])
def test_no_ground_truth_scores_nan(mode, detections):
    scores = evaluate_detections(ground_truth(), detections, 2, mode)
    assert math.isnan(scores.ap50)
    assert math.isnan(scores.precision)
    assert math.isnan(scores.recall_max)
    assert math.isnan(scores.confidence)


@pytest.mark.parametrize("mode", ["area", "11point", "coco101"])
def test_detections_in_an_image_without_ground_truth_are_false(mode):
    gt, detections = ground_truth((0, 0, BOX)), found((0, 0, BOX, 0.5), (7, 0, BOX, 0.9))
    scores = evaluate_detections(gt, detections, 1, mode)
    assert scores.n_fp[0, 0] == 1
    assert scores.ap50 == pytest.approx(0.5)


def test_detection_of_another_class_or_image_does_not_match():
    gt = ground_truth((0, 0, BOX), (1, 1, BOX))
    assert evaluate_detections(gt, found((0, 1, BOX, 0.9), (1, 0, BOX, 0.9)), 2).ap50 == 0


@pytest.mark.parametrize("mode", ["area", "coco101"])
def test_order_of_input_does_not_matter_when_scores_tie_between_images(mode):
    rng = np.random.default_rng(0)
    gt = ground_truth(*[(image, 0, BOX) for image in range(8)])
    detections = found(*[(image, 0, BOX if image % 3 else [30, 30, 40, 40], 0.5) for image in range(8)])
    order = rng.permutation(8)
    shuffled = {name: values[order] for name, values in detections.items()}
    expected = evaluate_detections(gt, detections, 1, mode).ap
    assert evaluate_detections(gt, shuffled, 1, mode).ap.tolist() == expected.tolist()


def test_ties_inside_an_image_follow_the_input():
    gt = ground_truth((0, 0, BOX))
    hit, miss = (0, 0, BOX, 0.5), (0, 0, [30, 30, 40, 40], 0.5)
    assert evaluate_detections(gt, found(hit, miss), 1).ap50 == 1
    assert evaluate_detections(gt, found(miss, hit), 1).ap50 == 0.5


def test_string_and_integer_image_ids_score_the_same(golden):
    gt, detections = golden_input(golden[0], "kept")
    expected = evaluate_detections(gt, detections, 5).ap
    for columns in (gt, detections):
        columns["image"] = np.array([f"VOC2007/{image:06d}" for image in columns["image"]])
    assert evaluate_detections(gt, detections, 5).ap.tolist() == expected.tolist()


def test_coco101_counts_the_best_hundred_detections_of_an_image_and_class():
    gt = ground_truth((0, 0, BOX), (1, 0, BOX))
    rows = [(0, 0, [30, 30, 40, 40], 0.5 + 0.001 * i) for i in range(100)]
    detections = found(*rows, (0, 0, BOX, 0.1), (1, 0, BOX, 0.9))
    assert evaluate_detections(gt, detections, 1, "coco101").recall_max == 0.5
    assert evaluate_detections(gt, detections, 1, "area").recall_max == 1


def test_inverted_detection_never_matches():
    gt, detections = ground_truth((0, 0, BOX)), found((0, 0, [10, 10, 0, 0], 0.9), (0, 0, BOX, 0.8))
    assert evaluate_detections(gt, detections, 1).n_tp[0].tolist() == [1] * 10


def test_float32_and_lists_are_accepted():
    gt = {"image": [0], "labels": [0], "bboxes": [BOX]}
    detections = {"image": [0], "labels": [0], "bboxes": np.float32([BOX]), "scores": np.float32([0.3])}
    assert evaluate_detections(gt, detections, 1).ap50 == 1


def test_means_are_nan_where_their_thresholds_were_not_asked():
    scores = evaluate_detections(ground_truth((0, 0, BOX)), found((0, 0, BOX, 0.9)), 1, iou_thresholds=[0.75])
    assert scores.ap.tolist() == [[1.0]]
    assert math.isnan(scores.ap50)
    assert math.isnan(scores.ap50_95)
    assert math.isnan(scores.precision)


@pytest.mark.parametrize(
    ("side", "key", "value", "message"),
    [
        ("gt", "bboxes", [[0, 0, 1]], r"gt\['bboxes'\] has shape \(1, 3\)"),
        ("gt", "labels", [0, 0], r"gt\['labels'\] has shape \(2,\)"),
        ("gt", "labels", [3], r"gt\['labels'\] holds 3"),
        ("gt", "labels", [0.5], r"gt\['labels'\] has dtype float64"),
        ("gt", "difficult", [True, False], r"gt\['difficult'\] has shape"),
        ("gt", "image", [1.5], r"gt\['image'\] has dtype float64"),
        ("gt", "image", ["a"], r"differ in kind"),
        ("detections", "scores", [[0.5]], r"detections\['scores'\] has shape"),
        ("detections", "scores", [float("nan")], r"detections\['scores'\] holds nan"),
        ("detections", "bboxes", [[0, 0, 1, float("inf")]], r"detections\['bboxes'\] holds nan or infinity"),
        ("detections", "labels", [-1], r"detections\['labels'\] holds -1"),
        ("detections", "image", [], r"detections\['image'\] has shape \(0,\)"),
    ],
)
def test_faulty_array_is_named(side, key, value, message):
    arrays = {"gt": ground_truth((0, 0, BOX)), "detections": found((0, 0, BOX, 0.9))}
    arrays[side][key] = value
    with pytest.raises(UsageError, match=message):
        evaluate_detections(arrays["gt"], arrays["detections"], 2)


def test_missing_array_is_named():
    detections = found((0, 0, BOX, 0.9))
    del detections["scores"]
    with pytest.raises(UsageError, match=r"detections\['scores'\] is missing"):
        evaluate_detections(ground_truth((0, 0, BOX)), detections, 1)


@pytest.mark.parametrize("thresholds", [[], [0.0], [1.5], 0.5, [float("nan")]])
def test_thresholds_outside_zero_to_one_are_refused(thresholds):
    with pytest.raises(UsageError, match="iou_thresholds"):
        evaluate_detections(ground_truth(), found(), 1, iou_thresholds=thresholds)


def test_unknown_mode_and_inclusive_coco_are_refused():
    with pytest.raises(UsageError, match="one of area, 11point, coco101"):
        evaluate_detections(ground_truth(), found(), 1, mode="voc")
    with pytest.raises(UsageError, match="inclusive_pixels"):
        evaluate_detections(ground_truth(), found(), 1, mode="coco101", inclusive_pixels=True)


def test_result_of_voc_size_is_scored_in_seconds():
    rng = np.random.default_rng(0)
    start, size = rng.random((12000, 2)) * 300, rng.random((12000, 2)) * 200 + 10
    gt = {"image": rng.integers(0, 4952, 12000), "labels": rng.integers(0, 20, 12000)}
    gt["bboxes"] = np.concatenate([start, start + size], 1)
    source = rng.integers(0, 12000, 4952 * 60)
    detections = {"image": gt["image"][source], "labels": gt["labels"][source], "scores": rng.random(4952 * 60)}
    detections["bboxes"] = gt["bboxes"][source] + rng.normal(size=(4952 * 60, 4)) * 10
    begin = time.perf_counter()
    evaluate_detections(gt, detections, 20)
    assert time.perf_counter() - begin < 5  # 0.2 s on two idle cores


def test_scores_per_class_have_the_names_given():
    gt = ground_truth((0, 0, BOX), (0, 0, [50, 50, 60, 60]), (1, 0, BOX))
    scores = evaluate_detections(gt, found((0, 0, BOX, 0.9), (1, 1, BOX, 0.8)), 2)
    per_class = scores.per_class(("nut", "screw"))
    assert list(per_class) == ["nut", "screw"]
    assert list(per_class["nut"]) == ["objects", "found", "ap50", "ap50_95", "precision", "recall", "recall_max"]
    assert per_class["nut"]["objects"] == 3
    assert per_class["nut"]["ap50"] == scores.ap50_per_class[0] == pytest.approx(1 / 3)
    assert (per_class["screw"]["objects"], per_class["screw"]["found"]) == (0, 1)
    assert math.isnan(per_class["screw"]["ap50"])
