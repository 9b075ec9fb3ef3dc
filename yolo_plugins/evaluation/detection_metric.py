"""The MMEngine metric: gathers boxes over images and ranks, scores them with `evaluate_detections`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from numpy.typing import NDArray
from torch import Tensor

from yolo_plugins.errors import UsageError
from yolo_plugins.evaluation.average_precision import MODES, SCORES, DetectionScores, match_detections, score_matches
from yolo_plugins.evaluation.matching import Matches
from yolo_plugins.registry import METRICS

ImageArrays = tuple[NDArray[Any], ...]  # gt bboxes, gt labels, difficult; bboxes, labels, scores


@METRICS.register_module()
class DetectionMetric(BaseMetric):
    """AP50, AP50-95, precision, recall and highest recall of a data set, as fractions 0..1.

    The class names come from the data set's metainfo. Ignored instances count as difficult objects. `scores` are those
    of the last evaluation, of every class; None before it, and on ranks other than 0.

    Args:
        mode: "area" (VOC 2010 and later), "11point" (VOC 2007) or "coco101", see `evaluate_detections`.
        collect_device: "cpu" or "gpu", where ranks exchange their boxes.
        prefix: put before the metric names, with a slash; none by default.
        collect_dir: folder in which ranks exchange their boxes on "cpu"; a temporary one by default.

    Raises:
        UsageError: unknown mode, or a data set without `classes` in its metainfo.
    """

    def __init__(
        self,
        mode: str = "area",
        collect_device: str = "cpu",
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        if mode not in MODES:
            raise UsageError(f"DetectionMetric: mode={mode!r} is unknown: give one of {', '.join(MODES)}")
        # a missing prefix is meant here, so MMEngine's warning about it is kept silent
        super().__init__(collect_device, prefix or "none", collect_dir)
        self.prefix = prefix
        self.mode = mode
        self.scores: DetectionScores | None = None

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keeps the boxes of one batch as arrays.

        Args:
            data_batch: not used.
            data_samples: one dict an image with `gt_instances` and `pred_instances` (and `ignored_instances`, if any),
                all bboxes (n, 4) xyxy in pixels of the original image.
        """
        self.results.extend((sample.get("index", 0), image_arrays(sample)) for sample in data_samples)

    def compute_metrics(self, results: list[tuple[int, ImageArrays]]) -> dict[str, float]:
        """Scores all images and logs a table of the classes.

        Args:
            results: what `process` kept, of all ranks; scored in the order of the data set, which decides between
                equal scores, whoever evaluated what.

        Returns:
            `ap50`, `ap50_95`, `precision`, `recall`, `recall_max`; nan when there is no ground truth at all.
        """
        classes = (self.dataset_meta or {}).get("classes")
        if not classes:
            raise UsageError("DetectionMetric: the data set's metainfo has no 'classes': give their names there")
        images = [image for _, image in sorted(results, key=lambda result: result[0])]
        scores = self.scores = score_matches(match_images(images, len(classes), self.mode))
        logger = MMLogger.get_current_instance()
        if not scores.n_gt.any():
            logger.warning("the data set has no objects, or difficult ones only: there is no average precision")
        logger.info(f"AP per class, mode {self.mode}\n{self.table()}")
        return {name: getattr(scores, name) for name in SCORES}

    def per_class(self) -> dict[str, dict[str, float]]:
        """`DetectionScores.per_class` of the last evaluation; empty before it, and on ranks other than 0."""
        return {} if self.scores is None else self.scores.per_class(self.dataset_meta["classes"])

    def table(self) -> str:
        """The last evaluation, one line for each class and one for their mean; empty where there is none."""
        return "" if self.scores is None else _table(self.scores, self.dataset_meta["classes"])


def image_arrays(sample: Mapping[str, Any]) -> ImageArrays:
    """The boxes of one picture of a test, `sample` as `DetectionMetric.process` gets it."""
    gt, found = sample["gt_instances"], sample["pred_instances"]
    truth = [gt, *([sample["ignored_instances"]] if "ignored_instances" in sample else [])]
    bboxes = np.concatenate([_array(part["bboxes"], np.float32).reshape(-1, 4) for part in truth])
    labels = np.concatenate([_array(part["labels"], np.int64) for part in truth])
    difficult = np.arange(len(labels)) >= len(gt["labels"])
    return (
        bboxes,
        labels,
        difficult,
        _array(found["bboxes"], np.float32).reshape(-1, 4),
        _array(found["labels"], np.int64),
        _array(found["scores"], np.float32),
    )


def _array(values: Tensor | NDArray[Any], dtype: Any) -> NDArray[Any]:
    values = getattr(values, "tensor", values)  # MMDetection's data sets keep boxes in a class of its own
    if isinstance(values, Tensor):
        values = values.detach().double().cpu().numpy()  # bfloat16, which numpy lacks, fits too
    return np.asarray(values).astype(dtype)


def match_images(images: list[ImageArrays], num_classes: int, mode: str) -> Matches:
    """Which detections of a data set are true; its pictures are numbered in the order of `images`."""
    empty = (np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0, bool), np.zeros((0, 4)), np.zeros(0, np.int64))
    columns = list(zip(*images, strict=True)) or [(part,) for part in (*empty, np.zeros(0))]
    gt_bboxes, gt_labels, difficult, bboxes, labels, scores = (np.concatenate(column) for column in columns)
    gt_image, image = (np.repeat(np.arange(len(columns[k])), [len(part) for part in columns[k]]) for k in (1, 4))
    return match_detections(
        {"image": gt_image, "labels": gt_labels, "bboxes": gt_bboxes, "difficult": difficult},
        {"image": image, "labels": labels, "bboxes": bboxes, "scores": scores},
        num_classes,
        mode,
    )


def _table(scores: DetectionScores, classes: Sequence[str]) -> str:
    """One line a class and one for the mean; classes without ground truth show dashes."""
    mean = {
        "objects": scores.n_gt.sum(),
        "found": scores.n_det.sum(),
        **{name: getattr(scores, name) for name in SCORES},
    }
    rows = [*scores.per_class(classes).items(), ("mean", mean)]
    width = max(len(name) for name in ("class", *(name for name, _ in rows)))
    lines = [f"{'class':<{width}}" + "".join(f"{title:>9}" for title in ("objects", "found", *SCORES.values()))]
    for name, row in rows:
        lines.append(f"{name:<{width}}" + "".join(f"{_cell(value):>9}" for value in row.values()))
    return "\n".join(lines)


def _cell(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.4f}" if isinstance(value, float) else str(value)
