"""How well a law predicts: each model as the law of the others predicts it, and how often its intervals hold.

Plots as those of `interactive`, and a paragraph beside each. Names come from users: every name is escaped.
"""

import html
import math
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from yolo_plugins.pages.style import AXIS, COLORS, LAYOUT, fill_band
from yolo_plugins.study.laws.power_law import LEVEL
from yolo_plugins.study.report.caveats import join_words, plain
from yolo_plugins.study.report.interactive import SYMBOLS
from yolo_plugins.study.tables.families import Style, group_title
from yolo_plugins.study.tables.quantities import QUANTITIES

_FEW_NAMES = 4
_DIAGONAL = {"color": "#1a1a1a", "width": 1.2, "dash": "dash"}


def draw_leave_one_out(table: pd.DataFrame, y: str, styles: dict[str, Style]) -> dict[str, Any]:
    """Predicted against measured with the intervals: those that reach the diagonal hold, the others are hollow.

    Args:
        table: A row for each model: `model`, `family`, its performance as `measured` and as the law of the other models
            has it, `predicted` from `low` to `high`, and whether it is `inside`.
        y: Name of the performance.
        styles: Of the families, by name.
    """
    title = QUANTITIES[y].axis_title
    families = table.groupby(table["family"].astype(str), sort=True)
    axes = {
        f"{axis}axis": {**AXIS, "title": {"text": f"{told} {title}"}, "automargin": True}
        for axis, told in (("x", "measured"), ("y", "predicted"))
    }
    ends = [float(table["measured"].min()), float(table["measured"].max())]
    traces = [_diagonal(ends, "predicted = measured")]
    traces += [_models_trace(rows, str(family), styles[str(family)]) for family, rows in families]
    return {"data": traces, "layout": {**LAYOUT, **axes, "hovermode": "closest"}}


def tell_leave_one_out(table: pd.DataFrame, y: str) -> str:
    """What the predictions are worth: their error, the share of intervals that hold, and how wide these are.

    Args:
        table: As for `draw_leave_one_out`.
        y: Name of the performance.
    """
    error = math.sqrt(float(((table["predicted"] - table["measured"]) ** 2).mean()))
    held, count = int(table["inside"].sum()), len(table)
    outside = table.loc[~table["inside"], "model"]
    missed = f", not for {join_words(outside)}" if 0 < len(outside) <= _FEW_NAMES else ""
    width = float((table["high"] - table["low"]).median())
    return (
        f"Each model is predicted by the law of the others. {QUANTITIES[y].title} is off by {plain(error)} (root mean "
        f"square over {count} models). The {_percent(LEVEL)} interval holds for {held} of them "
        f"({_percent(held / count)}){missed}; the median interval is {plain(width)} wide."
    )


def draw_calibration(table: pd.DataFrame, count: int) -> dict[str, Any]:
    """The share of intervals that hold against the level that they state, and what chance allows where that is true.

    Args:
        table: A row for each level of the intervals, `level`, and the share that holds, `covered`; shares of 1.
        count: How many predictions were counted.
    """
    grid = np.linspace(0, 1, 101)
    low, high = (ends.tolist() for ends in _by_chance(grid, count))
    axes = {
        f"{axis}axis": {**AXIS, "title": {"text": told}, "range": [0, 1.02], "tickformat": ".0%", "automargin": True}
        for axis, told in (("x", "stated probability"), ("y", "share of the intervals that hold"))
    }
    traces = [
        {
            **{
                "type": "scatter",
                "mode": "lines",
                "name": f"{_percent(LEVEL)} of what chance allows, {count} predictions",
            },
            **{"x": [*grid.tolist(), *grid[::-1].tolist()], "y": [*low, *high[::-1]], "hoverinfo": "skip"},
            **fill_band(COLORS[0]),
        },
        _diagonal([0.0, 1.0], "stated = true"),
        {
            **{"type": "scatter", "mode": "lines+markers", "name": "intervals of the law"},
            **{"x": table["level"].tolist(), "y": table["covered"].tolist()},
            **{"marker": {"color": COLORS[0], "size": 10}, "line": {"color": COLORS[0], "width": 2}},
            "hovertemplate": "stated %{x:.0%}, true %{y:.0%}<extra></extra>",
        },
    ]
    return {"data": traces, "layout": {**LAYOUT, **axes, "hovermode": "closest"}}


def tell_calibration(table: pd.DataFrame, count: int) -> str:
    """How often the intervals of each level hold, and whether that differs from the level by more than chance.

    Args:
        table: As for `draw_calibration`.
        count: How many predictions were counted.
    """
    shares = join_words(f"{_percent(covered)} of those of {_percent(level)}" for level, covered in table.to_numpy())
    low, high = _by_chance(table["level"].to_numpy(), count)
    narrow, wide = table["covered"].to_numpy() < low, table["covered"].to_numpy() > high
    judgements = [
        f"those of {join_words(map(_percent, table['level'][off]))} are too {word}"
        for off, word in ((narrow, "narrow"), (wide, "wide"))
        if off.any()
    ]
    verdict = " and ".join(judgements) or "no level is off by more than chance"
    return f"Of the intervals, {shares} hold. With {count} predictions, {verdict}."


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _by_chance(level: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the share that holds in 95 % of cases where the stated level is true."""
    low, high = stats.binom.interval(LEVEL, count, level)
    return low / count, high / count


def _diagonal(ends: list[float], name: str) -> dict[str, Any]:
    return {
        **{"type": "scatter", "mode": "lines", "x": ends, "y": ends},
        **{"name": name, "line": _DIAGONAL, "hoverinfo": "skip"},
    }


def _models_trace(rows: pd.DataFrame, family: str, style: Style) -> dict[str, Any]:
    """A marker with its interval for each model of a family."""
    symbol = SYMBOLS[style.marker]
    told = [
        f"{html.escape(row.model, quote=False)}<br>measured {plain(row.measured)}<br>predicted {plain(row.predicted)}, "
        f"{plain(row.low)} to {plain(row.high)}{'' if row.inside else ': missed'}"
        for row in rows.itertuples()
    ]
    return {
        **{"type": "scatter", "mode": "markers", "name": html.escape(group_title(family), quote=False)},
        **{"x": rows["measured"].tolist(), "y": rows["predicted"].tolist()},
        "marker": {
            **{"color": style.color, "size": 11, "line": {"color": style.color, "width": 1}},
            "symbol": [symbol if inside else f"{symbol}-open" for inside in rows["inside"]],
        },
        "error_y": {
            **{"type": "data", "symmetric": False, "color": style.color, "thickness": 1.2, "width": 3},
            "array": (rows["high"] - rows["predicted"]).tolist(),
            "arrayminus": (rows["predicted"] - rows["low"]).tolist(),
        },
        **{"hovertext": told, "hoverinfo": "text"},
    }
