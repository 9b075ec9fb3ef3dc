"""The advice as one page, `report.html`: score against measured milliseconds with the front, and the table."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from yolo_plugins.pages.render import write_page
from yolo_plugins.pages.style import AXIS, COLORS, LAYOUT
from yolo_plugins.pages.table import NONE, Cell, Column, PageTable, number, page_table, word
from yolo_plugins.recommend.advice import Advice, Budget, Choice
from yolo_plugins.recommend.text import tell_expected, tell_latency, tell_training
from yolo_plugins.study.laws.pareto import pareto_front
from yolo_plugins.study.models import Models, describe_law
from yolo_plugins.study.report.figure_style import short_names
from yolo_plugins.study.report.interactive import log_axis
from yolo_plugins.study.tables.quantities import QUANTITIES

_TEMPLATE = Path(__file__).parent / "templates" / "recommend.html.j2"
_KINDS = (("trained", "circle"), ("predicted", "diamond-open"))
_OUTSIDE: Column[Choice] = ("outside the study in", False, lambda choice: word(", ".join(choice.outside) or None))
_GAP = "\u00a0" * 2  # between a name and the marker that it is of


def write_report(path: Path, advice: Advice, budget: Budget, setting: object, models: Models, command: str) -> None:
    """Writes the page, whole or not at all.

    Args:
        path: The HTML file.
        advice: What it shows.
        budget: What the networks may take.
        setting: How they were run.
        models: Of the study.
        command: What made the page.
    """
    title = QUANTITIES[models.y].title
    write_page(
        path,
        _TEMPLATE,
        title=f"{title} within {budget}",
        setting=str(setting),
        law=f"{title} by {describe_law(models.law)}",
        notes=(*(note.removeprefix("note: ") for note in models.notes), *advice.notes),
        training=tell_training(advice) or ["No network fits the budget."],
        table=_page_table(advice.choices, title),
        plots={"scatter": draw_choices(advice.choices, budget, models)},
        command=command,
    )


def draw_choices(choices: Sequence[Choice], budget: Budget, models: Models) -> dict[str, Any]:
    """Expected score against milliseconds, with the front and the budget, as a plotly figure; no single calls."""
    quantity = QUANTITIES[models.y]
    timed = [choice for choice in choices if choice.measured.latency.rounds > 1]
    traces: list[dict[str, Any]] = []
    if timed:
        names = short_names(choice.network.name for choice in timed)
        front = pareto_front(
            [choice.measured.latency.median_ms for choice in timed],
            [choice.expected for choice in timed],
            [choice.network.name for choice in timed],
            quantity.larger_is_better,
        )
        traces.append(
            {
                **{"type": "scatter", "mode": "lines+text", "name": "Pareto front", "hoverinfo": "skip"},
                **{"x": list(front.cost), "y": list(front.value), "cliponaxis": False},
                "text": [html.escape(f"{names[name]}{_GAP}", quote=False) for name in front.names],
                **{"textposition": "top left", "textfont": {"size": 11}},
                "line": {"color": "#1a1a1a", "width": 1.2, "shape": "hv"},
            }
        )
    for index, (kind, symbol) in enumerate(_KINDS):
        members = [choice for choice in timed if (choice.score is not None) == (kind == "trained")]
        if members:
            traces.append(_points(members, kind, symbol, COLORS[index], quantity.title))
    shown = [choice.measured.latency.median_ms for choice in timed]
    line = {"type": "line", "x0": budget.max_ms, "x1": budget.max_ms, "yref": "paper", "y0": 0, "y1": 1}
    layout = {
        "xaxis": log_axis(pd.Series([budget.max_ms, *shown]), "milliseconds for a picture", 0.12),
        "yaxis": {
            **AXIS,
            "title": {"text": html.escape(f"expected {quantity.title}", quote=False)},
            "automargin": True,
        },
        "shapes": [{**line, "line": {"color": COLORS[1], "width": 1.5, "dash": "dash"}}],
        "hovermode": "closest",
    }
    return {"data": traces, "layout": {**LAYOUT, **layout}}


def _points(members: Sequence[Choice], kind: str, symbol: str, color: str, title: str) -> dict[str, Any]:
    latencies = [choice.measured.latency for choice in members]
    return {
        **{"type": "scatter", "mode": "markers", "name": kind},
        "x": [latency.median_ms for latency in latencies],
        "y": [choice.expected for choice in members],
        "marker": {"color": color, "symbol": symbol, "size": 10},
        "error_x": {
            "array": [latency.high_ms - latency.median_ms for latency in latencies],
            "arrayminus": [latency.median_ms - latency.low_ms for latency in latencies],
            **{"symmetric": False, "color": color, "thickness": 1, "width": 3},
        },
        "error_y": {
            "array": [choice.high - choice.expected for choice in members],
            "arrayminus": [choice.expected - choice.low for choice in members],
            **{"symmetric": False, "color": color, "thickness": 0.7, "width": 3},
        },
        "hovertext": [
            html.escape(f"{choice.network.name}: {tell_latency(choice.measured.latency)} ms, ", quote=False)
            + html.escape(f"{title} {tell_expected(choice)}", quote=False)
            for choice in members
        ],
        "hoverinfo": "text",
    }


def _page_table(choices: Sequence[Choice], title: str) -> PageTable:
    columns: tuple[Column[Choice], ...] = (
        ("model", False, lambda choice: word(choice.network.name)),
        ("fits", False, lambda choice: word("no: " + ", ".join(choice.exceeds) if choice.exceeds else "yes")),
        (
            "ms (95\u00a0%)",
            True,
            lambda choice: Cell(tell_latency(choice.measured.latency), choice.measured.latency.median_ms),
        ),
        (f"expected {title} (95\u00a0%)", True, lambda choice: Cell(tell_expected(choice), choice.expected)),
        ("P(best)", True, lambda choice: Cell(NONE, None) if choice.exceeds else number(choice.probability, ".2f")),
        (f"measured {title}", True, lambda choice: number(choice.score)),
        ("params (M)", True, lambda choice: number(choice.network.candidate.row["params"] / 1e6, ".2f")),
        ("GMACs", True, lambda choice: number(choice.network.candidate.row["macs"] / 1e9, ".3f")),
        ("MB", True, lambda choice: number(choice.measured.n_bytes / 1e6, ".1f")),
        *([_OUTSIDE] if any(choice.outside for choice in choices) else []),
    )
    return page_table("Networks that were measured", columns, choices)
