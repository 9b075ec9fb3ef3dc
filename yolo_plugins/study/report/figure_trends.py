"""Performance against cost: the models as points, power laws with their bands, the Pareto front, an upper quantile.

After Chai & Zhao, "YOLOv5 with different backbones", whose figures have the points and two of the lines.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from yolo_plugins.study.laws.alternative_laws import UpperQuantile
from yolo_plugins.study.laws.pareto import ParetoFront
from yolo_plugins.study.laws.power_law import PowerLaw
from yolo_plugins.study.report.figure_labels import MOST_NAMES, label_points
from yolo_plugins.study.report.figure_style import BAND, axis_label, group_styles, short_names, use_log_scale
from yolo_plugins.study.tables.families import Style, group_title
from yolo_plugins.study.tables.quantities import QUANTITIES
from yolo_plugins.study.tables.schema import is_drawable

_LEGEND = "exponents of power laws, with 95 % intervals by t"
_SIDE_BY_SIDE = 3  # markers in a line of the legend, where there are more of them
_ROOM = 0.1  # of the span of the points, left free at each end of both axes
_CURVE_POINTS = 200
_FRONT: dict[str, Any] = {"color": "black", "linewidth": 0.7, "zorder": 1}
_UPPER: dict[str, Any] = {"color": "black", "linewidth": 0.7, "linestyle": (0, (6, 3)), "zorder": 1}


@dataclass(frozen=True)
class Trend:
    """What is known of one pair of performance and cost, to be drawn over the models.

    Attributes:
        laws: Group to its power law, of groups that share no model.
        front: The models that no other beats in both.
        upper: The line that few models exceed.
    """

    laws: Mapping[str, PowerLaw]
    front: ParetoFront | None = None
    upper: UpperQuantile | None = None


def draw_scatter(axes: Axes, models: pd.DataFrame, x: str, y: str, group: str = "family") -> Axes:
    """Performance against cost, each model with its name; bars are the standard deviation over seeds.

    Args:
        axes: Where to draw; its figure has its final size, because names are fitted to it.
        models: Rows of models.csv.
        x: Name of a cost; on a log scale.
        y: Name of a performance.
        group: Column that divides the models.

    Raises:
        ValueError: No model has both.
    """
    points = _points(models, x, y, group)
    styles = _styles(models, group)
    _draw_points(axes, points, styles)
    axes.set(xlim=_span(points["x"], log=True), ylim=_span(points["y"], log=False))
    use_log_scale(axes.xaxis)
    _explain(axes, models, (x, y), _entries(styles, points, {}), group)
    return _name_points(axes, points)


def draw_power_laws(axes: Axes, models: pd.DataFrame, x: str, y: str, trend: Trend, group: str = "family") -> Axes:
    """Performance against cost, both on log scales, with power laws and the 95 % bands of their means.

    Lines end where their models end. The YOLOv5 family is orange, the models outside it are green, as in the paper; the
    legend tells exponent, 95 % t interval, models and residual degrees of freedom. Arguments as in `draw_scatter`.
    """
    points = _points(models, x, y, group)
    styles = _styles(models, group, trend.laws)
    scales = np.array([QUANTITIES[x].scale, 1.0])
    for name, law in trend.laws.items():
        _draw_law(axes, law, styles[name], scales)
    if trend.front is not None:
        _draw_front(axes, trend.front, scales, points["x"].max())
    if trend.upper is not None:
        _draw_upper(axes, trend.upper, scales, points["x"])
    _draw_points(axes, points, styles)
    axes.set(xlim=_span(points["x"], log=True), ylim=_span(points["y"], log=True))
    use_log_scale(axes.xaxis)
    use_log_scale(axes.yaxis)
    _explain(axes, models, (x, y), _entries(styles, points, trend.laws), _LEGEND)
    return _name_points(axes, points, trend.front.names if trend.front else ())


def _styles(models: pd.DataFrame, group: str, laws: Iterable[str] = ()) -> dict[str, Style]:
    """Styles of the groups with a line, then of the others that have models."""
    names = dict.fromkeys([*laws, *sorted(models[group].astype(str).unique())])
    styles = group_styles(names)
    return {name: styles[name] for name in names}


def _points(models: pd.DataFrame, x: str, y: str, group: str) -> pd.DataFrame:
    """Columns model, group, x, y and sd, the last three in the units of the axes; of the models that are drawable."""
    models = models[is_drawable(models, x, y)]
    if models.empty:
        raise ValueError(f"no model has both {x} and {y}, neither at an end of its scale: there is nothing to draw")
    cost = QUANTITIES[x]
    spread = models.get(f"{y}_sd", pd.Series(np.nan, models.index))
    return pd.DataFrame(
        {
            "model": models["model"],
            "group": models[group].astype(str),
            "x": models[cost.column].astype(float) * cost.scale,
            "y": models[y].astype(float),
            "sd": spread.astype(float).fillna(0),
        }
    )


def _span(values: pd.Series, log: bool) -> tuple[float, float]:
    """Limits of an axis with room around the values for markers and names."""
    low, high = (np.log(values.min()), np.log(values.max())) if log else (values.min(), values.max())
    room = _ROOM * (high - low) or 0.1
    ends = low - room, high + room
    return (float(np.exp(ends[0])), float(np.exp(ends[1]))) if log else ends


def _draw_points(axes: Axes, points: pd.DataFrame, styles: Mapping[str, Style]) -> None:
    """Draws the models, with bars of one standard deviation."""
    for group, rows in points.groupby("group"):
        color, marker = styles[group].color, styles[group].marker
        size: Any = {"markersize": 2} if len(points) > MOST_NAMES else {}
        axes.errorbar(rows["x"], rows["y"], rows["sd"], fmt=marker, color=color, elinewidth=0.7, zorder=3, **size)


def _draw_law(axes: Axes, law: PowerLaw, style: Style, scales: NDArray[np.float64]) -> None:
    """Draws a line and its band over the range of its models."""
    costs = np.geomspace(law.x_min, law.x_max, _CURVE_POINTS)
    curve, band = np.column_stack([costs, law.expected(costs)]) * scales, law.mean_interval(costs)
    axes.fill_between(curve[:, 0], band.low * scales[1], band.high * scales[1], color=style.color, **BAND)
    axes.plot(*curve.T, color=style.color, linestyle=style.linestyle, zorder=2)


def _draw_front(axes: Axes, front: ParetoFront, scales: NDArray[np.float64], right: float) -> None:
    """Draws the best value that is there for each cost, up to the costliest model."""
    corners = np.column_stack([front.cost, front.value]) * scales
    risers = np.column_stack([corners[1:, 0], corners[:-1, 1]])  # where the next model's cost is reached
    steps = np.empty((2 * len(corners), 2))
    steps[::2], steps[1:-1:2], steps[-1] = corners, risers, (right, corners[-1, 1])
    axes.plot(*steps.T, **_FRONT, label="Pareto front")


def _draw_upper(axes: Axes, upper: UpperQuantile, scales: NDArray[np.float64], costs: pd.Series) -> None:
    """Draws the quantile's line over the range of all models."""
    x = np.array([costs.min(), costs.max()]) / scales[0]
    curve = np.column_stack([x, upper.expected(x)]) * scales
    axes.plot(*curve.T, **_UPPER, label=f"{100 * upper.tau:.0f} % quantile of all models: {upper.exponent:.3f}")


def _entries(styles: Mapping[str, Style], points: pd.DataFrame, laws: Mapping[str, PowerLaw]) -> list[Line2D]:
    """The legend's entries of the groups: a line where one is drawn, a marker where there are points."""
    marked = set(points["group"])
    return [
        Line2D(
            [],
            [],
            color=style.color,
            linestyle=style.linestyle if group in laws else "",
            marker=style.marker if group in marked else "",
            label=_describe(group, laws[group]) if group in laws else group_title(group),
        )
        for group, style in styles.items()
        if group in laws or group in marked
    ]


def _describe(group: str, law: PowerLaw) -> str:
    """For instance `YOLOv5: 0.062 [0.012, 0.112], n = 7, 5 dof`."""
    interval = law.exponent_interval
    text = f"{group_title(group)}: {law.exponent:.3f} [{interval.low:.3f}, {interval.high:.3f}], n = {law.n}, "
    return text + f"{law.residual_dof} dof" + (", t = 12.7" if law.residual_dof == 1 else "")


def _explain(axes: Axes, models: pd.DataFrame, quantities: tuple[str, str], entries: list[Line2D], title: str) -> None:
    """Labels the axes, and puts the legend above them, where it hides nothing: of many markers on top of the lines."""
    xlabel, ylabel = (axis_label(name, models) for name in quantities)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.spines[["top", "right"]].set_visible(False)
    form: Any = {"frameon": False, "borderpad": 0, "alignment": "left"}
    handles = [*entries, *axes.get_legend_handles_labels()[0]]
    markers = [handle for handle in entries if handle.get_linestyle() == "None"]
    if len(markers) > _SIDE_BY_SIDE:
        handles = [handle for handle in handles if handle not in markers]
        narrow: Any = {"ncols": _SIDE_BY_SIDE, "handlelength": 1, "columnspacing": 1}
        axes.figure.legend(handles=markers, loc="outside upper left", **narrow, **form)
    if handles:
        axes.legend(handles=handles, title=title, loc="lower left", bbox_to_anchor=(0, 1), handlelength=3, **form)


def _name_points(axes: Axes, points: pd.DataFrame, front: Sequence[str] = ()) -> Axes:
    """Writes the models' names beside their points; of more than 30 models only those of the front and the extremes."""
    names = points["model"].map(short_names(points["model"]))
    named = points
    if len(points) > MOST_NAMES:
        extremes = {index for axis in ("x", "y") for index in (points[axis].idxmin(), points[axis].idxmax())}
        named = points[points["model"].isin(front) | points.index.isin(extremes)]
    places = zip(named["x"], named["y"], strict=True)
    label_points(axes, dict(zip(names[named.index], places, strict=True)), points[["x", "y"]].to_numpy())
    return axes
