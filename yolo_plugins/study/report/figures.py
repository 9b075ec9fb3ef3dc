"""Figures of the study, drawn from its tables: each function draws on the axes it is given and returns them.

The set is that of Chai & Zhao, "YOLOv5 with different backbones": curves over the epochs, bars of complexity,
performance against complexity, and the power laws, to which `figure_trends` adds what their page leaves open.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from yolo_plugins.costs.utilization import flops_of
from yolo_plugins.study.report.figure_labels import MOST_NAMES, label_line_ends
from yolo_plugins.study.report.figure_style import (
    BAND,
    axis_label,
    column_figure,
    model_styles,
    save_figure,
    save_png,
    short_names,
    use_log_scale,
)
from yolo_plugins.study.report.figure_trends import Trend, draw_power_laws, draw_scatter
from yolo_plugins.study.tables.quantities import QUANTITIES, costs, curves, performances
from yolo_plugins.study.tables.schema import epochs_of_one_loss, is_drawable, is_inside

__all__ = [
    "Trend",
    "draw_epoch_seconds",
    "draw_flops",
    "draw_loss",
    "draw_metric_curve",
    "draw_params",
    "draw_power_laws",
    "draw_scatter",
    "save_complexity",
    "save_figure",
    "save_png",
    "save_study",
]

_PART_COLORS = {"backbone": "#0072B2", "neck": "#E69F00", "head": "#F0E442"}
_CURVES_INCHES, _TREND_INCHES, _LINE_INCHES = 2.8, 3.0, 0.14  # heights; the last of a line of text
_Drawing = tuple[float, Callable[[Axes], Axes]]  # height of the figure in inches, what draws on its axes
_MARKERS_PER_CURVE = 6
MOST_BARS = 60  # of more models only the largest are drawn, as many as a page can show


def draw_loss(axes: Axes, epochs: pd.DataFrame) -> Axes:
    """Training loss per epoch on a log scale, mean over a model's seeds with their range as a band; a 0 is left out.

    Args:
        axes: Where to draw; its figure has its final size, because names are fitted to it.
        epochs: Rows of epochs.csv.
    """
    axes.set_yscale("log")  # before the limits are found, which a margin in linear units may put below 0
    ends = _draw_curves(axes, epochs[is_inside(epochs["train_loss"], QUANTITIES["train_loss"])], "train_loss")
    use_log_scale(axes.yaxis)
    return _name_curves(axes, epochs, ends, axis_label("train_loss", epochs))


def draw_metric_curve(axes: Axes, epochs: pd.DataFrame, metric: str) -> Axes:
    """A score per epoch; lines join the validated epochs, otherwise as `draw_loss`.

    Args:
        axes: As in `draw_loss`.
        epochs: Rows of epochs.csv.
        metric: Name of the score.

    Raises:
        ValueError: No epoch was validated.
    """
    if epochs[metric].isna().all():
        raise ValueError(f"no epoch has a value of {metric}: there is no curve to draw")
    ends = _draw_curves(axes, epochs, metric)
    axes.set_ylim(bottom=0)
    return _name_curves(axes, epochs, ends, axis_label(metric, epochs))


def draw_epoch_seconds(axes: Axes, epochs: pd.DataFrame) -> Axes:
    """Bars of the training time of an epoch, mean over epochs and seeds, the slowest model on top.

    Thin lines span the fastest and the slowest epoch. Validation is not in it.

    Args:
        axes: Where to draw.
        epochs: Rows of epochs.csv.
    """
    seconds = epochs.groupby("model")["train_seconds"].agg(["mean", "min", "max"]).astype(float)
    label, seconds = _largest(seconds, "mean", axis_label("train_seconds", epochs))
    rows = range(len(seconds))
    axes.barh(rows, seconds["mean"], color="#56B4E9", edgecolor="black", linewidth=0.4)
    axes.hlines(rows, seconds["min"], seconds["max"], color="black", linewidth=0.8)
    _finish_bars(axes, seconds.index, seconds["max"], [f"{value:,.1f}" for value in seconds["mean"]])
    axes.set_xlabel(label)
    return axes


def draw_params(axes: Axes, table: pd.DataFrame) -> Axes:
    """Bars of the parameters of each model, stacked by part, the largest on top.

    Args:
        axes: Where to draw.
        table: Rows of complexity.csv, one for each model.
    """
    return _draw_parts(axes, table, "params", QUANTITIES["params"].scale, axis_label("params", table))


def draw_flops(axes: Axes, table: pd.DataFrame) -> Axes:
    """Bars of the floating-point operations for one image; arguments as in `draw_params`."""
    return _draw_parts(axes, table, "flops", QUANTITIES["macs"].scale / flops_of(1), axis_label("macs", table))


def save_complexity(table: pd.DataFrame, path: str | Path) -> None:
    """Writes the bars of parameters and of FLOPs side by side.

    Args:
        table: Rows of complexity.csv, one for each model.
        path: The PNG file.

    Raises:
        UsageError: The disk is full.
    """
    figure = Figure(figsize=(10, 1.2 + 0.28 * min(len(table), MOST_BARS)), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_params(left, table)
    draw_flops(right, table)
    save_png(figure, path)


def save_study(
    folder: str | Path,
    models: pd.DataFrame,
    trends: Mapping[tuple[str, str], Trend],
    epochs: pd.DataFrame | None = None,
    complexity: pd.DataFrame | None = None,
    group: str = "family",
) -> list[Path]:
    """Writes every figure that the tables have data for, as PNG and SVG.

    They are `loss`, `epoch_seconds`, `params`, `flops`, the curve of each performance that is a score, by its name, and
    `<performance>_vs_<cost>` for each pair that some model has: with laws where `trends` has it, else points alone.

    Args:
        folder: Made where it is not there.
        models: Rows of models.csv.
        trends: (cost, performance) to what is drawn over the points.
        epochs: Rows of epochs.csv.
        complexity: Rows of complexity.csv of the train form, one for each model.
        group: Column of models.csv that divides the models.

    Returns:
        The files.

    Raises:
        UsageError: The disk is full.
    """
    drawings = _epoch_drawings(epochs, epochs_of_one_loss(epochs, models)) if epochs is not None else {}
    if complexity is not None:
        height = _bars_height(len(complexity))
        drawings["params"] = height, partial(draw_params, table=complexity)
        drawings["flops"] = height, partial(draw_flops, table=complexity)
    for y, x in itertools.product(performances(), costs()):
        if is_drawable(models, x, y).any():
            drawings[f"{y}_vs_{x}"] = _pair_drawing(models, x, y, trends.get((x, y)), group)
    paths = []
    for name, (height, draw) in drawings.items():
        with column_figure(height) as (figure, axes):
            draw(axes)
            paths += save_figure(figure, Path(folder) / name)
    return paths


def _pair_drawing(models: pd.DataFrame, x: str, y: str, trend: Trend | None, group: str) -> _Drawing:
    if trend is None:
        return _TREND_INCHES, partial(draw_scatter, models=models, x=x, y=y, group=group)
    entries = len({*trend.laws, *models[group].astype(str)})
    draw = partial(draw_power_laws, models=models, x=x, y=y, trend=trend, group=group)
    return _TREND_INCHES + _LINE_INCHES * entries, draw


def _epoch_drawings(epochs: pd.DataFrame, of_one_loss: pd.DataFrame) -> dict[str, _Drawing]:
    """The figures that the table of epochs, and its rows of one loss, have data for, by name."""
    drawings: dict[str, _Drawing] = {}
    if is_inside(of_one_loss["train_loss"], QUANTITIES["train_loss"]).any():
        drawings["loss"] = _CURVES_INCHES, partial(draw_loss, epochs=of_one_loss)
    drawings["epoch_seconds"] = _bars_height(epochs["model"].nunique()), partial(draw_epoch_seconds, epochs=epochs)
    for metric, quantity in curves(epochs).items():
        if quantity.role == "performance" and quantity.source == "score" and epochs[metric].notna().any():
            drawings[metric] = _CURVES_INCHES, partial(draw_metric_curve, epochs=epochs, metric=metric)
    return drawings


def _bars_height(models: int) -> float:
    return 0.75 + _LINE_INCHES * min(models, MOST_BARS)


def _largest(table: pd.DataFrame, column: str, label: str) -> tuple[str, pd.DataFrame]:
    """The rows that bars show, the largest last, and the label of their axis, which says where some are left out."""
    shown = table.sort_values(column).tail(MOST_BARS)
    return label if len(shown) == len(table) else f"{label}; the {len(shown)} largest of {len(table)}", shown


def _draw_curves(axes: Axes, epochs: pd.DataFrame, column: str) -> dict[str, tuple[float, float]]:
    """Draws a curve for each model that has values, and returns the last point of each."""
    styles, ends = model_styles(epochs["model"]), {}
    scored = epochs.dropna(subset=[column]).astype({"epoch": float, column: float})
    for index, (model, rows) in enumerate(scored.groupby("model")):
        seeds = rows.groupby("epoch")[column].agg(["mean", "min", "max"])
        step = max(len(seeds) // _MARKERS_PER_CURVE, 1)
        style, marks = asdict(styles[model]), (index % step, step)
        axes.plot(seeds.index, seeds["mean"], **style, markevery=marks, markersize=2.5, clip_on=False, label=model)
        if (seeds["max"] > seeds["min"]).any():
            axes.fill_between(seeds.index, seeds["min"], seeds["max"], color=style["color"], **BAND)
        ends[model] = seeds.index[-1], seeds["mean"].iloc[-1]
    axes.set_xlim(0, epochs["epoch"].max())
    return ends


def _name_curves(axes: Axes, epochs: pd.DataFrame, ends: Mapping[str, tuple[float, float]], label: str) -> Axes:
    """Labels of the axes, and the models' names at the ends of their curves; of many only those of the two extremes."""
    axes.set(xlabel="epoch", ylabel=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    names, styles = short_names(ends), model_styles(epochs["model"])
    if len(ends) > MOST_NAMES:
        lowest, *_, highest = sorted(ends, key=lambda model: ends[model][1])
        ends = {model: ends[model] for model in (lowest, highest)}
    label_line_ends(
        axes,
        {names[model]: end for model, end in ends.items()},
        {names[model]: styles[model] for model in ends},
    )
    return axes


def _draw_parts(axes: Axes, table: pd.DataFrame, quantity: str, scale: float, label: str) -> Axes:
    """Horizontal bars of a quantity, with the total after each; a part that a model has not is empty."""
    label, table = _largest(table, quantity, label)
    rows, start = range(len(table)), 0.0
    for part, color in _PART_COLORS.items():
        width = (table[f"{quantity}_{part}"].astype(float).fillna(0) * scale).to_numpy()
        axes.barh(rows, width, left=start, color=color, edgecolor="black", linewidth=0.4, label=part)
        start = start + width
    totals = table[quantity] * scale
    _finish_bars(axes, table["model"], totals, [f"{total:.2f}" for total in totals])
    axes.set_xlabel(label)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(_PART_COLORS), frameon=False)
    return axes


def _finish_bars(axes: Axes, models: Iterable[str], ends: Iterable[float], totals: Iterable[str]) -> None:
    """Names before the bars, totals after them."""
    for row, (end, total) in enumerate(zip(ends, totals, strict=True)):
        axes.annotate(total, (end, row), (3, 0), textcoords="offset points", va="center", fontsize="small")
    names = list(models)
    axes.set_yticks(range(len(names)), [short_names(names)[name] for name in names])
    axes.margins(x=0.12, y=0.01)
    axes.spines[["top", "right"]].set_visible(False)
