"""Learning curves as figures."""

import pandas as pd
import pytest
from matplotlib.figure import Figure

from yolo_plugins.study.laws.budget_law import fit_budget_law
from yolo_plugins.study.report.figure_budget import draw_curves

POINTS = pd.DataFrame({"amount": [100, 200, 400], "value": [0.2, 0.3, 0.4], "runs": [1, 1, 1]})


def test_each_curve_has_points_a_law_and_a_band():
    law = fit_budget_law(*(POINTS[name].tolist() for name in ("amount", "value", "runs")))
    axes = draw_curves(Figure().subplots(), {"scratch": (POINTS, law), "tuned": (POINTS, law)}, wanted=0.5)
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["scratch", "tuned", "wanted: 0.5"]
    lines, points = axes.lines[0:4:2], axes.lines[1:4:2]
    assert len(axes.collections) == 2
    for line, marks in zip(lines, points, strict=True):
        assert (line.get_xdata()[0], line.get_xdata()[-1]) == pytest.approx((100, 1600))
        assert line.get_ydata()[-1] == pytest.approx(law.expect(1600).mean)
        assert list(marks.get_ydata()) == POINTS["value"].tolist()
    assert axes.get_xscale() == "log"
    assert axes.get_xlim()[0] < 100
