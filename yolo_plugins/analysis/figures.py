"""Figures of the study, drawn from its tables: each function draws on the axes it is given and returns them.

Colours are those of Okabe and Ito (2008), which colour-blind readers can tell apart, in an order of rising lightness,
which a grey print keeps.
"""

import io
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from yolo_plugins.files import write_atomically

_PART_COLORS = {"backbone": "#0072B2", "neck": "#E69F00", "head": "#F0E442"}
_DPI = 200  # of a PNG; a figure 10 inches wide fills a printed page


def draw_params(axes: Axes, table: pd.DataFrame) -> Axes:
    """Bars of the parameters of each model, stacked by part, the largest on top.

    Args:
        axes: Where to draw.
        table: Rows of complexity.csv, one for each model.
    """
    return _draw_parts(axes, table, "params", 1e6, "parameters (millions)")


def draw_flops(axes: Axes, table: pd.DataFrame) -> Axes:
    """Bars of the floating-point operations for one image; arguments as in `draw_params`."""
    sizes = table[["input_h", "input_w"]].drop_duplicates().to_numpy()
    pixels = " or ".join(f"{height} x {width}" for height, width in sizes)
    return _draw_parts(axes, table, "flops", 1e9, f"FLOPs at {pixels} pixels (billions)")


def save_complexity(table: pd.DataFrame, path: str | Path) -> None:
    """Writes the bars of parameters and of FLOPs side by side.

    Args:
        table: Rows of complexity.csv, one for each model.
        path: The PNG file.

    Raises:
        UsageError: The disk is full.
    """
    figure = Figure(figsize=(10, 1.2 + 0.28 * len(table)), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_params(left, table)
    draw_flops(right, table)
    save_png(figure, path)


def save_png(figure: Figure, path: str | Path) -> None:
    """Writes a figure as PNG, whole or not at all.

    Raises:
        UsageError: The disk is full.
    """
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=_DPI)
    write_atomically(path, data.getbuffer())


def _draw_parts(axes: Axes, table: pd.DataFrame, quantity: str, unit: float, label: str) -> Axes:
    """Horizontal bars of a quantity, with the total behind each."""
    table = table.sort_values(quantity)
    rows, start = range(len(table)), 0.0
    for part, color in _PART_COLORS.items():
        width = (table[f"{quantity}_{part}"] / unit).to_numpy()
        axes.barh(rows, width, left=start, color=color, edgecolor="black", linewidth=0.4, label=part)
        start = start + width
    for row, total in zip(rows, table[quantity] / unit, strict=True):
        axes.annotate(f"{total:.2f}", (total, row), (3, 0), textcoords="offset points", va="center", fontsize="small")
    axes.set_yticks(rows, table["model"])
    axes.set_xlabel(label)
    axes.margins(x=0.12, y=0.01)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(_PART_COLORS), frameon=False)
    return axes
