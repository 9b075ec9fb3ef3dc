"""The bootstrap over pictures against scoring pictures that are really there several times."""

import numpy as np
import pytest

from yolo_plugins.evaluation.average_precision import IOU_THRESHOLDS, MODES, evaluate_detections, match_detections
from yolo_plugins.evaluation.bootstrap import (
    draw_resamples,
    interval,
    mean_over_classes,
    probability_better,
    resampled_ap,
)

PICTURES, CLASSES = 30, 4


@pytest.fixture(scope="module")
def boxes():
    """Ground truth, some of it difficult, and detections near it, on 30 pictures; class 3 is in few of them."""
    rng = np.random.default_rng(7)
    image = np.repeat(np.arange(PICTURES), rng.integers(0, 6, PICTURES))
    start = rng.random((len(image), 2)) * 60
    bboxes = np.concatenate([start, start + 20 + rng.random((len(image), 2)) * 30], axis=1)
    labels = rng.choice(CLASSES, len(image), p=[0.5, 0.3, 0.17, 0.03])
    gt = {"image": image, "labels": labels, "bboxes": bboxes, "difficult": rng.random(len(image)) < 0.15}
    source = rng.integers(0, len(image), 4 * len(image))
    found = {
        "image": image[source],
        "labels": np.where(rng.random(len(source)) < 0.8, labels[source], rng.integers(0, CLASSES, len(source))),
        "bboxes": bboxes[source] + rng.normal(0, 5, (len(source), 4)),
        "scores": rng.random(len(source)),
    }
    return gt, found


def copied(arrays, counts):
    """The arrays of pictures that are in the set so many times, copies beside each other."""
    times = counts[arrays["image"]]
    rows = np.repeat(np.arange(len(times)), times)
    copy = np.arange(len(rows)) - np.repeat(np.cumsum(times) - times, times)
    return {name: values[rows] for name, values in arrays.items()} | {"image": arrays["image"][rows] * 1000 + copy}


@pytest.mark.parametrize("mode", MODES)
def test_a_resample_scores_as_the_copied_pictures_do(boxes, mode):
    gt, found = boxes
    counts = draw_resamples(PICTURES, 40, seed=3)
    ap = resampled_ap(match_detections(gt, found, CLASSES, mode), counts)
    assert ap.shape == (40, CLASSES, len(IOU_THRESHOLDS))
    for row, values in zip(counts, ap, strict=True):
        scores = evaluate_detections(copied(gt, row), copied(found, row), CLASSES, mode)
        np.testing.assert_allclose(values, scores.ap, atol=1e-12)
        assert mean_over_classes(values[None, :, 0])[0] == pytest.approx(scores.ap50)
    assert np.isnan(ap[:, 3]).any(), "some resample lacks the rare class"
    assert not np.isnan(ap[:, 3]).all()


def test_every_picture_once_is_the_score_itself_also_in_small_portions(boxes, monkeypatch):
    matches = match_detections(*boxes, CLASSES)
    counts = draw_resamples(PICTURES, 9)
    whole = resampled_ap(matches, counts)
    scores = evaluate_detections(*boxes, CLASSES)
    np.testing.assert_allclose(resampled_ap(matches, np.ones((1, PICTURES), np.int32))[0], scores.ap, atol=1e-12)
    monkeypatch.setattr("yolo_plugins.evaluation.bootstrap._MOST_VALUES", 100)
    np.testing.assert_allclose(resampled_ap(matches, counts), whole, rtol=1e-12)


def test_resamples_are_of_as_many_pictures_and_the_same_for_a_seed():
    counts = draw_resamples(50, 20, seed=1)
    assert (counts.sum(1) == 50).all()
    np.testing.assert_array_equal(counts, draw_resamples(50, 20, seed=1))
    assert (counts != draw_resamples(50, 20, seed=2)).any()


@pytest.mark.parametrize("pictures", [0, 1])
def test_sets_without_detections_or_pictures_have_no_width(pictures):
    gt = {"image": np.zeros(pictures, int), "labels": np.zeros(pictures, int), "bboxes": np.ones((pictures, 4))}
    none = {"image": [], "labels": [], "bboxes": np.zeros((0, 4)), "scores": []}
    ap = resampled_ap(match_detections(gt, none, 2), draw_resamples(pictures, 5))
    assert np.isnan(ap[:, 1]).all()
    assert (ap[:, 0] == 0).all() if pictures else np.isnan(ap).all()


def test_interval_is_the_percentiles_where_half_of_the_resamples_lie_below():
    values = np.linspace(0, 1, 2001)
    assert interval(values, 0.5) == pytest.approx((0.025, 0.975))
    low, high = interval(values, 0.4)
    assert low < 0.01
    assert high < 0.93, "resamples that lie too high are moved down"
    assert interval(np.array([np.nan, 1, 1]), 1.0) == (1, 1)
    assert np.isnan(interval(np.array([np.nan]), 0.5)).all()
    assert np.isnan(interval(values, float("nan"))).all()


def test_probability_counts_equal_resamples_half():
    assert probability_better(np.array([1, 0.5, 0, np.nan]), np.array([0, 0.5, 0, 1])) == pytest.approx(2 / 3)
    assert np.isnan(probability_better(np.array([np.nan]), np.array([1.0])))
