"""Tests of models, as `test_and_keep` returns them, made of arrays."""

import numpy as np

from yolo_plugins.evaluation.average_precision import score_matches
from yolo_plugins.evaluation.detection_metric import match_images
from yolo_plugins.results.collect import Speed, Tested

CLASSES = ("cat", "<img src=x onerror=alert(1)>", "dog", "unseen")
SIZE = (160, 120)


def make_images(num: int, seed: int, noise: float) -> list:
    """Boxes of pictures: objects by 0, detections by `seed`; the noisier, the worse."""
    images = []
    for index in range(num):
        truth, rng = np.random.default_rng((0, index)), np.random.default_rng((seed, index))
        count = int(truth.integers(0, 5))
        start = truth.random((count, 2)) * 80
        bboxes = np.concatenate([start, start + 15 + truth.random((count, 2)) * 25], axis=1).astype(np.float32)
        labels, difficult = truth.integers(0, 3, count), truth.random(count) < 0.1
        found = np.repeat(bboxes, 2, axis=0) + rng.normal(0, noise, (2 * count, 4)).astype(np.float32)
        scores = rng.random(2 * count).astype(np.float32)
        images.append((bboxes, labels, difficult, found, np.repeat(labels, 2), scores))
    return images


def make_tested(images: list, pictures: list, name: str = "model <a>.pth", mode: str = "area") -> Tested:
    matches = match_images(images, len(CLASSES), mode)
    speed = Speed(12.5, 8, "cpu, 1 thread")
    return Tested(name, CLASSES, tuple(pictures), tuple(images), matches, score_matches(matches), speed)
