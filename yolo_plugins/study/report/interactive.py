"""The plots of the report as plotly figures: data and layout, which the page's script draws.

Colours, markers and labels are those of the printed figures. Names come from users: plotly reads HTML tags in texts,
so every name is escaped.
"""

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from yolo_plugins.pages.style import AXIS, LAYOUT, fill_band
from yolo_plugins.study.laws.fits import law_of
from yolo_plugins.study.report.caveats import plain
from yolo_plugins.study.report.figure_style import axis_label, group_styles, log_locator, model_styles, short_names
from yolo_plugins.study.tables.families import ALL, Style, drawn_groups, group_title
from yolo_plugins.study.tables.quantities import QUANTITIES, Quantity, costs, performances, with_unit
from yolo_plugins.study.tables.schema import is_drawable

SYMBOLS = {  # plotly's names of matplotlib's markers
    **{"o": "circle", "s": "square", "^": "triangle-up", "v": "triangle-down", "<": "triangle-left"},
    **{">": "triangle-right", "D": "diamond", "d": "diamond-tall", "P": "cross", "X": "x", "x": "x"},
    **{"p": "pentagon", "*": "star", "h": "hexagon"},
}
_DASHES = {"-": "solid", "--": "dash", "-.": "dashdot", ":": "dot"}  # plotly's names of matplotlib's line styles
_PIXELS = 2  # of a unit of matplotlib's dashes, at the width of the lines here
_GAP = "\u00a0" * 2  # between a name and the marker that it is of
_ROOM = (0.15, 0.06)  # of the front's width and height: what a name takes
_BAND_POINTS = 40
_MOST_LAWS = 8  # of more, those of the families are in the table alone: the legend would take the plot's place


def draw_scatter(
    models: pd.DataFrame, fits: pd.DataFrame, x: str, y: str, front: Sequence[str], group: str = "family"
) -> dict[str, Any]:
    """Models by cost and performance on logarithmic axes, the laws with their bands, the Pareto front.

    Args:
        models: Of the schema MODELS; those that are not `is_drawable` are left out.
        fits: Of the schema FITS; the rows of another cost or performance are passed over.
        x: Name of a cost.
        y: Name of a performance.
        front: Names of the drawn models on the Pareto front, by rising cost.
        group: Column that divides the models.
    """
    points = models[is_drawable(models, x, y)]
    laws = fits[(fits["x"] == x) & (fits["y"] == y)]
    styles = group_styles({*models[group].astype(str), *laws["group"]})
    drawn = drawn_groups(list(laws["group"]))
    offered = {ALL, *(laws["group"] if len(laws) <= _MOST_LAWS else drawn)}
    told = laws[laws["group"].isin(offered)]
    traces = [trace for _, fit in told.iterrows() for trace in _law_traces(fit, styles, fit["group"] in drawn)]
    traces += [_upper_trace(fit) for _, fit in laws[laws["group"] == ALL].iterrows()]
    traces.append(_front_trace(points.set_index("model").loc[list(front)], short_names(models["model"]), x, y))
    groups = points.groupby(points[group].astype(str), sort=True)
    traces += [_points_trace(members, x, y, str(name), styles[str(name)]) for name, members in groups]
    scaled = points[QUANTITIES[x].column] * QUANTITIES[x].scale
    axes = {
        "xaxis": log_axis(scaled, axis_label(x, points), 0.12),
        "yaxis": log_axis(points[y], axis_label(y, points), 0.25),
    }
    return {"data": traces, "layout": {**LAYOUT, **axes, "hovermode": "closest"}}


def draw_curves(epochs: pd.DataFrame, quantity: Quantity) -> dict[str, Any]:
    """A quantity at each epoch, a line for each model: the mean over its seeds.

    Args:
        epochs: Of the schema EPOCHS; epochs where the quantity is null are passed over.
        quantity: One of their `curves`.
    """
    column = quantity.column
    means = epochs.dropna(subset=column).groupby(["model", "epoch"])[column].mean().reset_index()
    names = short_names(means["model"])
    traces = [
        {
            "type": "scatter",
            "x": means.loc[means["model"] == model, "epoch"].tolist(),
            "y": means.loc[means["model"] == model, column].tolist(),
            "name": html.escape(names[model], quote=False),
            "mode": "lines+markers" if means["epoch"].nunique() == 1 else "lines",
            "line": {"color": style.color, "dash": _dash(style), "width": 2},
            "hovertemplate": f"{html.escape(names[model], quote=False)}<br>epoch %{{x}}: %{{y:.4g}}<extra></extra>",
        }
        for model, style in model_styles(means["model"]).items()
    ]
    start = "normal" if quantity.source == "loss" else "tozero"  # a loss stays far from zero
    label = html.escape(with_unit(quantity.axis_title, quantity.axis_unit), quote=False)
    layout = {
        "xaxis": {**AXIS, "title": {"text": "epoch"}, "rangemode": "tozero", "automargin": True},
        "yaxis": {**AXIS, "title": {"text": label}, "rangemode": start, "automargin": True},
        "hovermode": "closest",
    }
    return {"data": traces, "layout": {**LAYOUT, **layout}}


def log_axis(values: pd.Series, title: str, margin: float) -> dict[str, Any]:
    """A logarithmic axis around the values with ticks like 1, 2, 5, 10, or round numbers where the range is short.

    Args:
        values: What it has to show.
        title: Its title.
        margin: Room at either end, as a share of the range.
    """
    low, high = float(values.min()), float(values.max())
    spread = (high / low) ** margin if high > low else 1.1
    low, high = low / spread, high * spread
    ticks = [float(tick) for tick in log_locator(low, high).tick_values(low, high) if low <= tick <= high]
    return {
        **AXIS,
        "type": "log",
        "range": [float(np.log10(low)), float(np.log10(high))],
        "tickmode": "array",
        "tickvals": ticks,
        "ticktext": [f"{tick:,.6g}" for tick in ticks],
        "title": {"text": title},
        "automargin": True,
    }


def describe_model(model: pd.Series) -> list[str]:
    """Lines that tell what is known of a model: its name, family, costs and performances.

    Args:
        model: A row of the schema MODELS.
    """
    size = f" at {model['input_h']} x {model['input_w']} px"
    lines = [model["model"], group_title(model["family"])]
    for row in costs().values():
        if pd.notna(model[row.column]):
            lines.append(row.tell(model[row.column]) + (size if row.per_input else ""))
    for name, row in performances().items():
        if pd.notna(model[name]):
            lines.append(f"{row.axis_title} {tell_value(model, name)}")
    return lines


def tell_value(model: pd.Series, name: str) -> str:
    """A performance of a model, with the standard deviation over its seeds where there are several."""
    deviation = model[f"{name}_sd"]
    return f"{model[name]:.3f}" + ("" if pd.isna(deviation) else f" ± {deviation:.3f}")


def _dash(style: Style) -> str:
    """The line style as plotly has it: a name, or the lengths of dashes and gaps."""
    if isinstance(style.linestyle, str):
        return _DASHES[style.linestyle]
    return ",".join(f"{_PIXELS * length}px" for length in style.linestyle[1])


def _law_traces(fit: pd.Series, styles: dict[str, Style], shown: bool) -> list[dict[str, Any]]:
    """The line of a group, and the band in which its true line passes with 95 %."""
    group, line = fit["group"], law_of(fit)
    style = styles[group]
    x = np.geomspace(line.x_min, line.x_max, _BAND_POINTS)
    band, shown_x = line.mean_interval(x), (x * QUANTITIES[fit["x"]].scale).tolist()
    interval = f"[{plain(fit['exponent_low'])}, {plain(fit['exponent_high'])}]"
    name = html.escape(group_title(group), quote=False)
    common = {"mode": "lines", "legendgroup": f"law {name}", "visible": True if shown else "legendonly"}
    told = f"{name}: exponent {plain(fit['exponent'])} {interval}"
    return [
        {
            "type": "scatter",
            "x": [*shown_x, *reversed(shown_x)],
            "y": [*band.low.tolist(), *band.high.tolist()[::-1]],
            **common,
            **fill_band(style.color),
            **{"showlegend": False, "hoverinfo": "skip"},
        },
        {
            "type": "scatter",
            "x": shown_x,
            "y": line.expected(x).tolist(),
            **common,
            "name": told,
            "line": {"color": style.color, "width": 2, "dash": _dash(style)},
            "hovertemplate": f"{told}<br>n = {fit['n']}, {fit['residual_dof']} residual dof<extra></extra>",
        },
    ]


def _upper_trace(fit: pd.Series) -> dict[str, Any]:
    """What is attainable: the line below which a share of the models lies; hidden until it is asked for."""
    x = np.array([fit["x_min"], fit["x_max"]])
    return {
        "type": "scatter",
        "x": (x * QUANTITIES[fit["x"]].scale).tolist(),
        "y": (fit["upper_coefficient"] * x ** fit["upper_exponent"]).tolist(),
        **{"mode": "lines", "name": f"{fit['upper_tau']:g} quantile of {group_title(ALL)}"},
        **{"visible": "legendonly", "hoverinfo": "name"},
        "line": {"color": "#1a1a1a", "width": 1.2, "dash": "longdash"},
    }


def _front_trace(front: pd.DataFrame, names: dict[str, str], x: str, y: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "x": (front[QUANTITIES[x].column] * QUANTITIES[x].scale).tolist(),
        "y": front[y].tolist(),
        **{"mode": "lines+text", "name": "Pareto front", "hoverinfo": "skip", "cliponaxis": False},
        "text": [
            f"{html.escape(names[model], quote=False)}{_GAP}" if shown else ""
            for model, shown in zip(front.index, _have_room(front, x, y), strict=True)
        ],
        "textposition": "top left",
        "textfont": {"size": 11},
        "line": {"color": "#1a1a1a", "width": 1.2, "shape": "hv"},
    }


def _have_room(front: pd.DataFrame, x: str, y: str) -> list[bool]:
    """Which models of the front are far enough from the last named one for a name of their own."""
    places = np.log(front[[QUANTITIES[x].column, y]].to_numpy(float))
    shares = (places - places.min(0)) / np.maximum(np.ptp(places, axis=0), np.finfo(float).eps)
    last, shown = np.full(2, -np.inf), []
    for share in shares:
        shown.append(bool((np.abs(share - last) > _ROOM).any()))
        last = share if shown[-1] else last
    return shown


def _points_trace(points: pd.DataFrame, x: str, y: str, group: str, style: Style) -> dict[str, Any]:
    rows = [row for _, row in points.iterrows()]
    return {
        "type": "scatter",
        "x": (points[QUANTITIES[x].column] * QUANTITIES[x].scale).tolist(),
        "y": points[y].tolist(),
        "mode": "markers",
        "name": html.escape(group_title(group), quote=False),
        "marker": {
            **{"color": style.color, "symbol": SYMBOLS[style.marker], "size": 11},
            "line": {"color": "white", "width": 1},
        },
        "error_y": {
            "array": points[f"{y}_sd"].fillna(0).tolist(),
            **{"color": style.color, "thickness": 1.2, "width": 3, "visible": bool(points[f"{y}_sd"].notna().any())},
        },
        "hovertext": ["<br>".join(html.escape(line, quote=False) for line in describe_model(row)) for row in rows],
        "hoverinfo": "text",
    }
