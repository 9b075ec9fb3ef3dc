"""What all figures share: colours, sizes, axes of quantities, and how a figure becomes files.

Colours are those of all pages. A grey print loses them, so markers and line styles differ as well.
"""

import io
import itertools
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FuncFormatter,
    Locator,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
    ScalarFormatter,
)

from yolo_plugins.files import write_atomically
from yolo_plugins.pages.style import BAND_OPACITY, COLORS
from yolo_plugins.study.tables.families import GROUPS, NOT_YOLOV5, Style
from yolo_plugins.study.tables.quantities import QUANTITIES, with_unit

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "*", "h", "d")
LINE_STYLES = ("-", "--", "-.", (0, (1, 1)))
BAND: Any = {"alpha": BAND_OPACITY, "linewidth": 0, "zorder": 0.5}  # of an interval, or of a range over seeds

_COLUMN_INCHES = 3.5  # width of a column of a two-column page
_PNG_DPI = 300  # what printers ask of images with text
_FEW = 5  # an axis whose ends differ by a smaller factor has too few of 1, 2, 5 times ten to some power

_STYLE: Any = {  # sizes in points: the small print of a journal
    "font.size": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "legend.fontsize": 6,
    "legend.title_fontsize": 6,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.0,
    "lines.markersize": 4,
    "text.parse_math": False,  # a dollar in a name is a dollar
}
_REPRODUCIBLE: Any = {"svg.fonttype": "none", "svg.hashsalt": "yolo_plugins"}  # text stays text; ids do not change


@contextmanager
def column_figure(height: float) -> Iterator[tuple[Figure, Axes]]:
    """A figure and its axes, as wide as a printed column, 3.5 inches; draw and save it within the context.

    Args:
        height: Inches.
    """
    with matplotlib.rc_context(_STYLE):  # matplotlib asks for sizes as late as in saving
        figure = Figure(figsize=(_COLUMN_INCHES, height), dpi=_PNG_DPI, layout="constrained")
        yield figure, figure.subplots()


_FREE_LINES: tuple[tuple[str, Any], ...] = (
    ("#0072B2", "-."),
    ("#CC79A7", (0, (5, 1, 1, 1, 1, 1))),
    ("#56B4E9", (0, (3, 2))),
    ("#E69F00", (0, (9, 2))),
)
_FREE_MARKERS = ("^", "D", "v", "P", "X", "<", ">", "p", "*", "h", "d")
_FREE_STYLES = tuple(  # no two alike, because the numbers of lines and of markers have no common divisor
    Style(color, linestyle, marker)
    for (color, linestyle), marker in zip(
        _FREE_LINES * len(_FREE_MARKERS), _FREE_MARKERS * len(_FREE_LINES), strict=True
    )
)


def model_styles(models: Iterable[str]) -> dict[str, Style]:
    """Each model's own style, by its place in the alphabet; no two alike among 364 models."""
    return {
        model: Style(COLORS[index % len(COLORS)], LINE_STYLES[index % len(LINE_STYLES)], MARKERS[index % len(MARKERS)])
        for index, model in enumerate(sorted(set(models)))
    }


def group_styles(groups: Iterable[str]) -> dict[str, Style]:
    """Each group's own style; the paper's two lines are orange (YOLOv5) and green (the models outside it).

    The styles of 44 other groups differ, those of four in colour too.
    """
    names = sorted(set(groups))
    fixed = {name: GROUPS[name].style if name in GROUPS else None for name in names}
    outside = GROUPS[NOT_YOLOV5].style
    free = itertools.cycle(style for style in (outside, *_FREE_STYLES) if style and style not in fixed.values())
    return {name: style or next(free) for name, style in fixed.items()}


def short_names(models: Iterable[str]) -> dict[str, str]:
    """Names of models without the last `_word` that all of them share: `yolov5_n_voc` among VOC models is yolov5_n."""
    models = sorted(set(models))
    stems, _, endings = zip(*(model.rpartition("_") for model in models), strict=True)
    if len(models) == 1 or len(set(endings)) > 1 or not all(stems):
        return {model: model for model in models}
    return dict(zip(models, stems, strict=True))


def axis_label(name: str, table: pd.DataFrame) -> str:
    """Label of the axis of a quantity, with its unit and, where it matters, the size of the images that it holds for.

    Args:
        name: Of the quantity.
        table: Rows with `input_h` and `input_w`, pixels.
    """
    quantity = QUANTITIES[name]
    if not quantity.per_input:
        return with_unit(quantity.axis_title, quantity.axis_unit)
    sizes = table[["input_h", "input_w"]].drop_duplicates().to_numpy()
    pixels = " or ".join(f"{height} x {width}" for height, width in sizes) + " pixels"
    where = "each model's own input size" if len(sizes) > 2 else pixels
    return with_unit(f"{quantity.axis_title} at {where}", quantity.axis_unit)


def log_locator(low: float, high: float) -> Locator:
    """What places the ticks of a logarithmic axis: 1, 2, 5, 10, or round numbers where the range is short."""
    return MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]) if high / low < _FEW else LogLocator(subs=(1, 2, 5), numticks=9)


def use_log_scale(axis: Axis) -> None:
    """Makes an axis logarithmic, with ticks like 1, 2, 5, 10 that are written as such; its limits must be final."""
    low, high = axis.get_view_interval()
    axis.axes.set(**{f"{axis.axis_name}scale": "log", f"{axis.axis_name}lim": (low, high)})  # type: ignore[attr-defined]
    axis.set_major_locator(log_locator(low, high))
    if high / low < _FEW:
        axis.set_major_formatter(ScalarFormatter(useOffset=False))  # as many decimals for each tick
    else:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def save_png(figure: Figure, path: str | Path) -> None:
    """Writes a figure as PNG, whole or not at all.

    Raises:
        UsageError: The disk is full.
    """
    write_atomically(path, render(figure, "png", dpi=_PNG_DPI))


def save_figure(figure: Figure, stem: str | Path) -> list[Path]:
    """Writes a figure as PNG and as SVG, the same bytes each time; in the SVG text is text.

    Args:
        figure: What to write.
        stem: The files' path without `.png` and `.svg`.

    Returns:
        The two files.

    Raises:
        UsageError: The disk is full.
    """
    stem = Path(stem)
    png, svg = (stem.with_name(f"{stem.name}.{ending}") for ending in ("png", "svg"))
    save_png(figure, png)
    figure.set_layout_engine("none")  # what has been laid out once stays, and need not be measured again
    write_atomically(svg, render(figure, "svg", metadata={"Date": None}))
    return [png, svg]


def render(figure: Figure, form: str, **options: Any) -> bytes:
    """The bytes of a figure's file, the same each time; options are those of `savefig`."""
    data = io.BytesIO()
    with matplotlib.rc_context(_REPRODUCIBLE):
        figure.savefig(data, format=form, **options)
    return _shortened(data.getvalue()) if form == "svg" else data.getvalue()


def _shortened(svg: bytes) -> bytes:
    """Its coordinates to a hundredth of a point, which no screen shows, and a sixth less to store."""
    return re.sub(rb' (?:d|x|y)="[^"]*"', lambda found: re.sub(rb"(\.\d\d)\d+", rb"\1", found[0]), svg)
