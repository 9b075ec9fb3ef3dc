"""A test whose boxes are kept: MMEngine's test loop with one metric and one hook more."""

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.runner import Runner

from yolo_plugins.errors import UsageError
from yolo_plugins.evaluation.average_precision import DetectionScores
from yolo_plugins.evaluation.detection_metric import DetectionMetric, ImageArrays, image_arrays, match_images
from yolo_plugins.evaluation.matching import Matches


@dataclass(frozen=True)
class Picture:
    """A picture of the test set: its id there, its file ("" where unknown), its size in pixels."""

    img_id: str | int
    path: str
    width: int
    height: int


@dataclass(frozen=True)
class Speed:
    """How long the model took, from the pictures in memory to its boxes; reading and scoring are left out.

    Attributes:
        milliseconds: For a picture: the median over the batches, without the first where there are more.
        batch_size: Pictures of a full batch.
        device: As "NVIDIA H100" or "cpu, 2 threads"; of an exported file its runtime, "onnxruntime 1.32.0, cpu".
    """

    milliseconds: float
    batch_size: int
    device: str


@dataclass(frozen=True)
class Tested:
    """What a test found.

    Attributes:
        name: Of the model.
        classes: K names.
        pictures: I, in the order of the data set.
        images: The boxes of each.
        matches: Which detections are true; its pictures are numbered as `pictures`.
        scores: Those that the test printed.
        speed: Of the model.
    """

    name: str
    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]
    images: tuple[ImageArrays, ...]
    matches: Matches
    scores: DetectionScores
    speed: Speed


def test_and_keep(runner: Runner, name: str) -> tuple[dict[str, float], Tested | None]:
    """Runs the test of a runner.

    Args:
        runner: With a `DetectionMetric`.
        name: What the model is called.

    Returns:
        What `runner.test` returns, and what was found; None on ranks other than 0.

    Raises:
        UsageError: The runner's evaluator has no `DetectionMetric`.
    """
    evaluator = runner.test_loop.evaluator
    metric = next((metric for metric in evaluator.metrics if isinstance(metric, DetectionMetric)), None)
    if metric is None:
        kinds = ", ".join(type(metric).__name__ for metric in evaluator.metrics)
        raise UsageError(f"test_evaluator is {kinds}, which a report does not know: give type='DetectionMetric'")
    keeper, clock = _PictureKeeper(metric.collect_device), _Clock()
    evaluator.metrics.append(keeper)
    runner.register_hook(clock, priority="LOWEST")
    metrics = runner.test()
    if keeper.kept is None or metric.scores is None:
        return metrics, None
    classes = tuple(metric.dataset_meta["classes"])
    images = tuple(image for _, image in keeper.kept)
    matches = match_images(list(images), len(classes), metric.mode)
    speed = Speed(clock.milliseconds(), runner.test_loop.dataloader.batch_size or 0, _describe_device(runner))
    pictures = tuple(picture for picture, _ in keeper.kept)
    return metrics, Tested(name, classes, pictures, images, matches, metric.scores, speed)


def scores_per_class(runner: Runner) -> dict[str, dict]:
    """`classes`: what the last test of a runner says of each, by name; nothing where no `DetectionMetric` tells."""
    metrics = runner.test_loop.evaluator.metrics
    return next(({"classes": metric.per_class()} for metric in metrics if isinstance(metric, DetectionMetric)), {})


class _PictureKeeper(BaseMetric):
    """Keeps boxes and names of all pictures, in the order in which `DetectionMetric` scores them."""

    def __init__(self, collect_device: str) -> None:
        super().__init__(collect_device, prefix="none")  # without a prefix MMEngine warns
        self.kept: list[tuple[Picture, ImageArrays]] | None = None

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        self.results.extend(
            (sample.get("index", 0), _picture(sample, len(self.results) + place), image_arrays(sample))
            for place, sample in enumerate(data_samples)
        )

    def compute_metrics(self, results: list[tuple[int, Picture, ImageArrays]]) -> dict[str, float]:
        self.kept = [(picture, image) for _, picture, image in sorted(results, key=lambda result: result[0])]
        return {}


def _picture(sample: Mapping[str, Any], place: int) -> Picture:
    height, width = (int(side) for side in sample["ori_shape"][:2])
    return Picture(sample.get("img_id", place), str(sample.get("img_path") or ""), width, height)


class _Clock(Hook):
    """Takes the time of each batch, from the data to the boxes."""

    def __init__(self) -> None:
        self._per_picture: list[float] = []

    def before_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self._start = time.perf_counter()

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Sequence | None = None
    ) -> None:
        self._per_picture.append((time.perf_counter() - self._start) / max(len(outputs or ()), 1))

    def milliseconds(self) -> float:
        """Median for a picture; nan where there was none. The first batch warms up."""
        times = self._per_picture[1:] or self._per_picture
        return 1000 * statistics.median(times) if times else float("nan")


def _describe_device(runner: Runner) -> str:
    runtime = getattr(runner.model, "runtime", None)
    if runtime:
        return runtime
    device = next(runner.model.parameters()).device
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{device.type}, {threads} thread{'s' * (threads > 1)}"
