"""Names of models written beside their points and curves, so that none hides another and no legend is searched.

Positions are found for the axes as they are: limits and whatever else is drawn must be final.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.text import Annotation
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from yolo_plugins.study.tables.families import Style

_Array = NDArray[np.float64]  # points (..., x y) or boxes (..., left bottom right top), in points of the canvas

_GREY = "#555555"
_NO_SHRINK = {"shrinkA": 0, "shrinkB": 0}
_VEIL = {"facecolor": "white", "alpha": 0.6, "linewidth": 0, "pad": 0.2}  # over lines that a name must cross
_LINE_HEIGHT = 1.2  # of the size of the font
_GAP = 1.07  # where names of curves start, in widths of the axes
_MARGIN = 1.2  # between two names
_MARKER_RADIUS = 2.5
_ROUNDS = 8  # of moving every label to its best place
_DISTANCES = (4.5, 8, 13, 19, 26, 34, 43)  # points from a model to its name; a line joins them from the second on
_DIRECTIONS = tuple((round(np.cos(turn), 3), round(np.sin(turn), 3)) for turn in np.arange(16) * np.pi / 8)
_OVERLAP, _OUTSIDE, _MARKER = 1000.0, 1000.0, 100.0  # costs of a name: on another, beyond the axes, on a point;
_MISTAKEN, _LINE = 5.0, 4.0  # nearer to or joined across a foreign point, on a line; a ring further out costs 1


def label_line_ends(axes: Axes, ends: Mapping[str, tuple[float, float]], styles: Mapping[str, Style]) -> None:
    """Writes names and markers of curves to the right of the axes, as near to the curves' ends as they find room.

    Args:
        axes: Holds the curves.
        ends: Name to the last point of its curve, in data coordinates.
        styles: Name to the style of its curve; a thin line of its colour leads to the name.
    """
    frame, names = _frame(axes), sorted(ends, key=lambda name: ends[name][1])
    heights = _canvas(axes, [ends[name] for name in names])[:, 1]
    places = _stack(heights, _LINE_HEIGHT * _font_size(), frame)
    for name, place in zip(names, places, strict=True):
        style = styles[name]
        line = {"arrowstyle": "-", "color": style.color, "linewidth": 0.5} | _NO_SHRINK
        axes.annotate("", ends[name], (_GAP, place), textcoords="axes fraction", annotation_clip=False, arrowprops=line)
        label: dict[str, Any] = {
            "marker": style.marker,
            "color": style.color,
            "markersize": 0.5 * _font_size(),
            "clip_on": False,
        }
        axes.plot(_GAP, place, transform=axes.transAxes, **label)
        axes.text(_GAP + 0.03, place, name, transform=axes.transAxes, va="center_baseline", fontsize=_font_size())


def label_points(axes: Axes, points: Mapping[str, tuple[float, float]], lines: Sequence[_Array] = ()) -> None:
    """Writes the name of each point beside it, off other names and points, and off lines where there is room.

    Args:
        axes: Holds the points.
        points: Name to data coordinates.
        lines: Each (n, 2), data coordinates along what else is drawn, close together.
    """
    frame, centres = _frame(axes), _canvas(axes, list(points.values()))
    obstacles = np.concatenate([np.empty((0, 2)), *(_canvas(axes, line) for line in lines)])
    labels = [
        axes.annotate(name, point, (0, 0), textcoords="offset points", fontsize=_font_size(), bbox=_VEIL)
        for name, point in points.items()
    ]
    sizes = np.array([label.get_window_extent().size for label in labels]) * _points_per_pixel(axes) + _MARGIN
    for label, centre, box in zip(labels, centres, _choose(centres, sizes, obstacles, frame), strict=True):
        _place(axes, label, box.reshape(2, 2) - centre)


def _place(axes: Axes, label: Annotation, box: _Array) -> None:
    """Moves a label into its box (low corner, high corner), in points from its model, and joins them if they part."""
    sides = np.where(box[0] >= 0, 0, np.where(box[1] <= 0, 2, 1))  # of the box that faces the model: low, middle, high
    label.set(ha=("left", "center", "right")[sides[0]], va=("bottom", "center", "top")[sides[1]])
    low, middle, high = box[0], box.mean(0), box[1]
    label.set_position(tuple(np.choose(sides, [low, middle, high])))
    nearest = np.clip(0, low, high)
    if np.hypot(*nearest) > 1.5 * _DISTANCES[0]:
        line = {"arrowstyle": "-", "color": _GREY, "linewidth": 0.4}
        axes.annotate("", label.xy, tuple(nearest), textcoords="offset points", arrowprops=line | _NO_SHRINK)


def _stack(ideal: _Array, step: float, frame: _Array) -> _Array:
    """Heights in shares of the frame, rising and a step apart where the frame has room, nearest to the ideal ones."""
    low, high = frame[1], frame[3]
    ranks = min(step, (high - low) / max(len(ideal) - 1, 1)) * np.arange(len(ideal))
    nearest = isotonic_regression(ideal - ranks).x  # by least squares
    return (np.clip(nearest, low, high - ranks[-1]) + ranks - low) / (high - low)


def _choose(centres: _Array, sizes: _Array, obstacles: _Array, frame: _Array) -> _Array:
    """Boxes (n, 4) of the labels: each in turn takes its best place given all others, until they rest."""
    candidates = [_candidates(centre, size) for centre, size in zip(centres, sizes, strict=True)]
    costs = [
        _standing_cost(boxes, centre, np.delete(centres, index, 0), obstacles, frame)
        for index, (boxes, centre) in enumerate(zip(candidates, centres, strict=True))
    ]
    chosen = np.array([boxes[cost.argmin()] for boxes, cost in zip(candidates, costs, strict=True)])
    for _ in range(_ROUNDS):
        for index, (boxes, cost) in enumerate(zip(candidates, costs, strict=True)):
            others = np.delete(chosen, index, 0)
            chosen[index] = boxes[(cost + _OVERLAP * _count_overlaps(boxes, others)).argmin()]
    return chosen


def _candidates(centre: _Array, size: _Array) -> _Array:
    """Boxes (n, 4) around a point, the best first: near before far, right before left."""
    boxes = []
    for distance in _DISTANCES:
        for direction in np.array(sorted(_DIRECTIONS, key=lambda direction: (abs(direction[1]), -direction[0]))):
            middle = centre + direction * (distance + size / 2)
            boxes.append([*(middle - size / 2), *(middle + size / 2)])
    return np.array(boxes)


def _standing_cost(boxes: _Array, own: _Array, others: _Array, obstacles: _Array, frame: _Array) -> _Array:
    """What each box costs without regard to other labels: rank, what it hides, whom it seems to name."""
    outside = ((boxes[:, :2] < frame[:2]) | (boxes[:, 2:] > frame[2:])).any(1)
    margin = _MARKER_RADIUS * np.array([-1, -1, 1, 1])
    return (
        np.arange(len(boxes)) / len(_DIRECTIONS)
        + _OUTSIDE * outside
        + _MARKER * _count_inside(boxes + margin, others)
        + _MISTAKEN * (_distances(boxes, others) < _distances(boxes, own[None]) + 1).sum(1)
        + _MISTAKEN * _count_crossed(boxes, own, others)
        + _LINE * np.minimum(_count_inside(boxes, obstacles), 3)
    )


def _count_crossed(boxes: _Array, own: _Array, others: _Array) -> _Array:
    """Foreign points on the straight way from each box to its own point."""
    way = np.clip(own, boxes[:, :2], boxes[:, 2:]) - own
    steps = own + np.linspace(0, 1, 20)[:, None, None] * way
    return (np.linalg.norm(steps[:, :, None] - others, axis=3).min(0) < _MARKER_RADIUS).sum(1)


def _distances(boxes: _Array, points: _Array) -> _Array:
    """(boxes, points) distances from the nearest edge, 0 inside."""
    nearest = np.clip(points, boxes[:, None, :2], boxes[:, None, 2:])
    return np.linalg.norm(nearest - points, axis=2)


def _count_inside(boxes: _Array, points: _Array) -> _Array:
    left_bottom, right_top = boxes[:, None, :2], boxes[:, None, 2:]
    return ((points >= left_bottom) & (points <= right_top)).all(2).sum(1)


def _count_overlaps(boxes: _Array, others: _Array) -> _Array:
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return (low < high).all(2).sum(1)


def _font_size() -> float:
    return FontProperties(size=matplotlib.rcParams["legend.fontsize"]).get_size_in_points()


def _points_per_pixel(axes: Axes) -> float:
    return 72 / axes.get_figure(root=True).dpi  # type: ignore[union-attr]


def _canvas(axes: Axes, data: Sequence[tuple[float, float]] | _Array) -> _Array:
    return axes.transData.transform(data) * _points_per_pixel(axes)


def _frame(axes: Axes) -> _Array:
    axes.get_figure(root=True).draw_without_rendering()  # type: ignore[union-attr]  # a layout sets the size only now
    return np.array(axes.bbox.extents) * _points_per_pixel(axes)
