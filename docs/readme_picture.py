"""Draws the picture of README: published detectors, their Pareto front, and two families among them.

python docs/readme_picture.py writes frontier_light.svg and frontier_dark.svg into docs/pictures, the same each time.
"""

from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from yolo_plugins.files import write_atomically
from yolo_plugins.study.laws.pareto import pareto_front
from yolo_plugins.study.report.figure_style import render, use_log_scale
from yolo_plugins.study.tables.families import group_title
from yolo_plugins.study.tables.quantities import QUANTITIES
from yolo_plugins.study.tables.schema import MODELS, read_table

DOCS = Path(__file__).parent
FAMILIES = {"yolov5": (0, "o"), "scaled_yolov4": (1, "s")}  # which of the colours, and the marker
THEMES: dict[str, dict[str, Any]] = {
    "light": {"ink": "#1f2328", "faint": "#9aa4af", "colors": ("#c2410c", "#00785a")},
    "dark": {"ink": "#e6edf3", "faint": "#6e7681", "colors": ("#ff9d57", "#3ddc97")},
}


def draw(axes: Axes, models: pd.DataFrame, ink: str, faint: str, colors: tuple[str, str]) -> None:
    """Points of all models, those of two families joined, the front with the names of every other model on it."""
    gflops, score = models["macs"].astype(float) * QUANTITIES["macs"].scale, models["ap50_95"].astype(float)
    axes.plot(gflops, score, "o", color=faint, markersize=4, alpha=0.9, markeredgewidth=0)
    front = pareto_front(gflops.tolist(), score.tolist(), models["model"].tolist())
    axes.step(front.cost, front.value, where="post", color=ink, linewidth=1, zorder=1)
    for family, (place, marker) in FAMILIES.items():
        own = models["family"] == family
        axes.plot(gflops[own], score[own], f"{marker}-", color=colors[place], markersize=6, linewidth=1.5, zorder=3)
        least = models.loc[own, "macs"].idxmin()
        text: dict[str, Any] = {"color": colors[place], "fontsize": 11, "weight": "bold"}
        axes.annotate(group_title(family), (gflops[least], score[least]), (10, -5), textcoords="offset points", **text)
    for number, (name, *at) in enumerate(zip(front.names, front.cost, front.value, strict=True)):
        if number % 2 == 0:
            side: dict[str, Any] = {"ha": "right", "fontsize": 9, "color": ink}
            axes.annotate(name, at, (-4, 4), textcoords="offset points", **side)
    about = f"{len(models)} published detectors, and their Pareto front"
    axes.text(0.99, 0.03, about, transform=axes.transAxes, ha="right", color=ink)
    axes.set(
        xlabel="GFLOPs of one picture, at each model's own input size",
        ylabel="AP50-95 on COCO",
        xlim=(0.55, 2500),
        ylim=(0.2, 0.6),
    )
    use_log_scale(axes.xaxis)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def main(folder: Path = DOCS / "pictures") -> None:
    """Writes both files into a folder."""
    models = read_table(DOCS / "results" / "published.csv", MODELS)
    for name, theme in THEMES.items():
        ink = theme["ink"]
        style = {
            **{f"{part}.color": ink for part in ("text", "xtick", "ytick")},
            **{"axes.labelcolor": ink, "axes.edgecolor": theme["faint"], "axes.facecolor": "none"},
            **{"axes.spines.top": False, "axes.spines.right": False, "font.size": 10, "figure.facecolor": "none"},
        }
        with matplotlib.rc_context(style):
            figure = Figure(figsize=(8.8, 3.9), layout="constrained")
            draw(figure.subplots(), models, **theme)
            write_atomically(folder / f"frontier_{name}.svg", render(figure, "svg", metadata={"Date": None}))


if __name__ == "__main__":
    main()
