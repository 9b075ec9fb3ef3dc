"""Names of models written beside their points and curves, so that none hides another and no legend is searched.

Positions are found for the axes as they are: limits and whatever else is drawn must be final.
"""

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import textalloc
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from yolo_plugins.study.tables.families import Style

_Array = NDArray[np.float64]  # points (..., x y) or boxes (..., left bottom right top), in points of the canvas

MOST_NAMES = 30  # of more models, names hide what they name
_GREY = "#555555"
_NO_SHRINK = {"shrinkA": 0, "shrinkB": 0}
_VEIL = {"facecolor": "white", "alpha": 0.85, "linewidth": 0, "pad": 0.2}  # over lines that a name must cross
_LINE_HEIGHT = 1.2  # of the size of the font
_GAP = 1.07  # where names of curves start, in widths of the axes
_MARKER_RADIUS = 2.5  # points, as are the next two
_DISTANCE, _FARTHEST = 3, 160  # from a model to its name
_PLACES = 1000  # that are tried for a name
_DIRECTIONS = ["east", "west", "northeast", "southeast", "northwest", "southwest", "north", "south"]  # the best first


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


def label_points(axes: Axes, points: Mapping[str, tuple[float, float]], others: _Array) -> None:
    """Writes the name of each point beside it, off other names and off all points; a line joins what stands apart.

    Args:
        axes: Holds the points.
        points: Name to data coordinates.
        others: (n, 2), data coordinates of every point that no name may hide, named or not.
    """
    x, y = zip(*points.values(), strict=True)
    width = axes.bbox.width * _points_per_pixel(axes)
    with contextlib.redirect_stdout(io.StringIO()):  # where nothing has room it prints that
        _, _, _, joints = textalloc.allocate(
            axes,
            *(x, y, list(points)),
            x_scatter=others[:, 0],
            y_scatter=others[:, 1],
            textsize=_font_size(),
            linecolor=_GREY,
            linewidth=0.4,
            margin=_MARKER_RADIUS / width,
            min_distance=_DISTANCE / width,
            max_distance=_FARTHEST / width,
            direction=_DIRECTIONS,
            nbr_candidates=_PLACES,
            avoid_crossing_label_lines=True,
            va="bottom",
            bbox=_VEIL,
            in_layout=False,
        )
    for joint in filter(None, joints):
        ends = _canvas(axes, joint.get_xydata())
        if np.hypot(*(ends[1] - ends[0])) < 2 * _DISTANCE:
            joint.remove()  # the name stands at its point


def _stack(ideal: _Array, step: float, frame: _Array) -> _Array:
    """Heights in shares of the frame, rising and a step apart where the frame has room, nearest to the ideal ones."""
    low, high = frame[1], frame[3]
    ranks = min(step, (high - low) / max(len(ideal) - 1, 1)) * np.arange(len(ideal))
    nearest = isotonic_regression(ideal - ranks).x  # by least squares
    return (np.clip(nearest, low, high - ranks[-1]) + ranks - low) / (high - low)


def _font_size() -> float:
    return FontProperties(size=matplotlib.rcParams["legend.fontsize"]).get_size_in_points()


def _points_per_pixel(axes: Axes) -> float:
    return 72 / axes.get_figure(root=True).dpi  # type: ignore[union-attr]


def _canvas(axes: Axes, data: Sequence[tuple[float, float]] | _Array) -> _Array:
    return axes.transData.transform(data) * _points_per_pixel(axes)


def _frame(axes: Axes) -> _Array:
    axes.get_figure(root=True).draw_without_rendering()  # type: ignore[union-attr]  # a layout sets the size only now
    return np.array(axes.bbox.extents) * _points_per_pixel(axes)
