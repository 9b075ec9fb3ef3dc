"""Learning curves: performance against pictures or epochs, with their laws."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from yolo_plugins.study.laws.budget_law import BudgetLaw
from yolo_plugins.study.report.figure_style import BAND, model_styles, use_log_scale

_BEYOND = 4.0  # times the largest amount: as far as a law is drawn
_ROOM = 1.15  # factor between the edge and the smallest amount
_CURVE_POINTS = 100


def draw_curves(axes: Axes, curves: Mapping[str, tuple[pd.DataFrame, BudgetLaw]], wanted: float | None = None) -> Axes:
    """The points of each curve, its law to four times their largest amount, and the 95 % band of the mean over seeds.

    Args:
        axes: Where to draw; the amounts are on a log scale.
        curves: Name in the legend to the points, with columns `amount` and `value`, and their law.
        wanted: The performance that is asked for, a line.
    """
    styles = model_styles(curves)
    for name, (points, law) in curves.items():
        color, linestyle, marker = styles[name].color, styles[name].linestyle, styles[name].marker
        amounts = np.geomspace(law.amount_min, law.amount_max * _BEYOND, _CURVE_POINTS)
        expected = [law.expect(amount) for amount in amounts]
        low, high = ([getattr(found.mean_interval, end) for found in expected] for end in ("low", "high"))
        axes.fill_between(amounts, low, high, color=color, **BAND)
        axes.plot(amounts, [found.mean for found in expected], color=color, linestyle=linestyle)
        axes.plot(points["amount"], points["value"], marker, color=color, label=name)
    if wanted is not None:
        axes.axhline(wanted, color="black", linewidth=0.7, linestyle=(0, (6, 3)), label=f"wanted: {wanted:.4g}")
    laws = [law for _, law in curves.values()]
    axes.set_xlim(min(law.amount_min for law in laws) / _ROOM, max(law.amount_max for law in laws) * _BEYOND)
    use_log_scale(axes.xaxis)
    axes.legend(frameon=False)
    return axes
