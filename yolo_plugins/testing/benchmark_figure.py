"""The costs that `benchmark_scale` measures, as one figure. Needs the extra `analysis`."""

import io
import textwrap
from collections.abc import Iterable
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from yolo_plugins.pages.style import AXIS, COLORS
from yolo_plugins.testing.benchmark_scale import Cost

_COLUMNS = 2
_SIZE = 3.6, 2.2  # inches of a panel
_CHARACTERS = 95  # of a line of the note
_LABELS = {
    "pictures": "training pictures",
    "workers": "worker processes",
    "batch": "pictures in a batch",
    "classes": "classes",
}
_PANELS = {  # title and unit of each quantity; those of none are not drawn
    "first_read_s": ("First start: read and cache", "s"),
    "read_s": ("Later start: read", "s"),
    "first_batch_s": ("From there to the first batch", "s"),
    "memory_mb": ("Memory of the data set", "MB"),
    "loader_img_per_s": ("Data loader alone", "pictures/s"),
    "train_img_per_s": ("Training step", "pictures/s"),
    "train_step_ms": ("Training step", "ms"),
    "loss_ms": ("Loss with assignment", "ms"),
    "eval_s": ("Average precision", "s"),
}
_STYLE: Any = {
    "font.size": 10,
    "axes.titlesize": 11,
    "figure.constrained_layout.h_pad": 0.08,  # inches
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": AXIS["gridcolor"],
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "yolo_plugins",  # ids do not change
}


def draw_costs(costs: Iterable[Cost], note: str) -> bytes:
    """A panel for each axis and quantity, as SVG: the medians, and the range of the rounds.

    Args:
        costs: What was measured.
        note: Stands below the panels.
    """
    lines: dict[tuple[str, str], list[Cost]] = {}
    for cost in costs:
        lines.setdefault((cost.axis, cost.quantity), []).append(cost)
    rows = -(-len(lines) // _COLUMNS)
    drawn = io.BytesIO()
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(_COLUMNS * _SIZE[0], rows * _SIZE[1] + 0.4), layout="constrained")
        panels = figure.subplots(rows, _COLUMNS, squeeze=False).flat
        for line, panel in zip(lines.values(), panels, strict=False):
            _draw(panel, line)
        for panel in panels:  # those left over
            panel.remove()
        figure.supxlabel(textwrap.fill(note, _CHARACTERS), fontsize=9)
        figure.savefig(drawn, format="svg", facecolor="white", metadata={"Date": None})
    return drawn.getvalue()


def _draw(panel: Axes, line: list[Cost]) -> None:
    title, unit = _PANELS[line[0].quantity]
    values, figures = [cost.value for cost in line], [cost.figure for cost in line]
    spread = [[cost.figure - cost.low for cost in line], [cost.high - cost.figure for cost in line]]
    panel.errorbar(values, figures, spread, fmt="o-", color=COLORS[0], markersize=5, capsize=2, clip_on=False)
    panel.set(title=title, xlabel=_LABELS[line[0].axis], ylabel=unit, xlim=(0, None), ylim=(0, None))
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,.6g}"))
