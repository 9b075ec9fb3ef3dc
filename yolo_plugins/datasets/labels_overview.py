"""What the labels of a data set are like, on one figure. Needs the extra `analysis`."""

import io
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from yolo_plugins.files import write_atomically

from .detection_dataset import DetectionDataset
from .drawing import class_colour
from .images import scaled_hw

_BINS = np.linspace(0, 1, 41)  # of places and sizes
_MOST_OBJECTS = 20  # pictures with as many or more share a bar
_INCHES_A_CLASS = 0.19
_PNG_DPI = 130


def write_labels_overview(dataset: DetectionDataset, path: str | Path) -> None:
    """Writes what `draw_labels` draws as PNG, whole or not at all.

    Raises:
        UsageError: The disk is full.
    """
    data = io.BytesIO()
    draw_labels(dataset).savefig(data, format="png", dpi=_PNG_DPI)
    write_atomically(path, data.getbuffer())


def draw_labels(dataset: DetectionDataset) -> Figure:
    """Objects of each class, box sizes, places of boxes and objects per picture; difficult ones do not count.

    Args:
        dataset: For training or for evaluation.
    """
    boxes = np.concatenate([_relative_boxes(record, dataset.img_size) for record in dataset.data_list])
    labels = np.concatenate([record["gt_bboxes_labels"] for record in dataset.data_list])
    classes = dataset.metainfo["classes"]
    figure = Figure(figsize=(11, max(6.5, _INCHES_A_CLASS * len(classes))), layout="constrained")
    figure.suptitle(_title(dataset, len(labels)))
    panels = figure.subplot_mosaic([["classes", "sizes", "centres"], ["classes", "numbers", "numbers"]])
    _draw_classes(panels["classes"], labels, classes)
    _draw_places(panels["sizes"], boxes[:, 2:] - boxes[:, :2], "box width", "box height")
    _draw_places(panels["centres"], (boxes[:, :2] + boxes[:, 2:]) / 2, "x of the box's centre", "y")
    panels["centres"].invert_yaxis()  # as in a picture
    _draw_numbers(panels["numbers"], [len(record["gt_bboxes"]) for record in dataset.data_list])
    return figure


def _relative_boxes(record: dict, img_size: tuple[int, int]) -> np.ndarray:
    """(n, 4) xyxy, fractions of the picture's width and height."""
    height, width = scaled_hw(record["ori_shape"], img_size)
    return record["gt_bboxes"] / np.array([width, height] * 2)


def _title(dataset: DetectionDataset, objects: int) -> str:
    difficult = 0
    if dataset.test_mode:  # an object that every class ignores stands there once a class
        boxes = [record["ori_bboxes"][record["difficult"]] for record in dataset.data_list]
        difficult = sum(len(np.unique(own, axis=0)) for own in boxes)
    counts = f"{len(dataset):,} pictures, {objects:,} objects"
    return f"{', '.join(dataset.splits)}: {counts}" + (f" and {difficult:,} difficult ones" if difficult else "")


def _draw_classes(axes: Axes, labels: np.ndarray, classes: list[str]) -> None:
    """A bar a class, the most frequent first, in the class's colour on the pictures."""
    counts = np.bincount(labels, minlength=len(classes))
    order = np.argsort(-counts, kind="stable")
    colours = [[part / 255 for part in class_colour(int(label))] for label in order]
    bars = axes.barh([classes[label] for label in order], counts[order], color=colours)
    axes.bar_label(bars, [f"{count:,}" for count in counts[order]], padding=3)
    axes.set(xlabel="objects", ylim=(len(classes) - 0.4, -0.6))
    axes.margins(x=0.16)  # for the counts
    axes.spines[["top", "right"]].set_visible(False)


def _draw_places(axes: Axes, points: np.ndarray, xlabel: str, ylabel: str) -> None:
    """Number of boxes by two fractions of the picture's sides, (n, 2)."""
    norm = LogNorm() if len(points) else None
    image = axes.hist2d(points[:, 0], points[:, 1], bins=[_BINS, _BINS], norm=norm, cmin=1)[3]
    axes.set(xlabel=f"{xlabel} / picture", ylabel=f"{ylabel} / picture", aspect="equal")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    if len(points):
        axes.figure.colorbar(image, cax=axes.inset_axes((1.05, 0, 0.05, 1)), label="boxes", format="{x:,.0f}")


def _draw_numbers(axes: Axes, objects: list[int]) -> None:
    """Pictures by their number of objects."""
    pictures = np.bincount(np.minimum(objects, _MOST_OBJECTS))
    bars = axes.bar(np.arange(len(pictures)), pictures, color="#0072B2")
    axes.bar_label(bars, [f"{count:,}" for count in pictures], fontsize=8, padding=2)
    axes.set(xlabel="objects in a picture", ylabel="pictures")
    numbers = range(len(pictures))
    axes.set_xticks(numbers, [f"{number}+" if number == _MOST_OBJECTS else f"{number}" for number in numbers])
    axes.spines[["top", "right"]].set_visible(False)
