"""How well a law predicts: what is drawn, and what is said, of predictions whose truth is known."""

import pandas as pd
import plotly.graph_objects as go
import pytest

from yolo_plugins.study.report.figure_style import group_styles
from yolo_plugins.study.report.prediction_plots import (
    draw_calibration,
    draw_leave_one_out,
    tell_calibration,
    tell_leave_one_out,
)

STYLES = group_styles(["yolov5", "other"])


@pytest.fixture
def predictions() -> pd.DataFrame:
    rows = [
        ("a_<b>", "yolov5", 0.50, 0.53, 0.43, 0.63, True),
        ("c", "yolov5", 0.40, 0.36, 0.26, 0.38, False),
        ("d", "other", 0.30, 0.30, 0.20, 0.40, True),
    ]
    return pd.DataFrame(rows, columns=["model", "family", "measured", "predicted", "low", "high", "inside"])


def markers(figure: go.Figure) -> dict[tuple[float, float], tuple[str, float, float, str]]:
    """Symbol, ends of the interval and text of each marker, by its place."""
    return {
        (x, y): (symbol, y - below, y + above, text)
        for trace in figure.data
        if trace.mode == "markers"
        for x, y, symbol, below, above, text in zip(
            *(trace.x, trace.y, trace.marker.symbol),
            *(trace.error_y.arrayminus, trace.error_y.array, trace.hovertext),
            strict=True,
        )
    }


def test_each_model_stands_at_its_measured_and_predicted_value_with_its_interval(predictions):
    drawn = markers(go.Figure(draw_leave_one_out(predictions, "ap50", STYLES)))
    assert set(drawn) == set(zip(predictions["measured"], predictions["predicted"], strict=True))
    for row in predictions.itertuples():
        _, low, high, _ = drawn[row.measured, row.predicted]
        assert (low, high) == pytest.approx((row.low, row.high))


def test_a_missed_model_is_hollow_and_told_so(predictions):
    drawn = markers(go.Figure(draw_leave_one_out(predictions, "ap50", STYLES)))
    hollow = {place for place, (symbol, *_) in drawn.items() if symbol.endswith("-open")}
    assert hollow == {place for place, (*_, text) in drawn.items() if text.endswith("missed")} == {(0.40, 0.36)}


def test_names_of_users_are_escaped(predictions):
    texts = [text for *_, text in markers(go.Figure(draw_leave_one_out(predictions, "ap50", STYLES))).values()]
    assert any(text.startswith("a_&lt;b&gt;<br>") for text in texts)


def test_line_of_equal_values_spans_what_was_measured(predictions):
    line = draw_leave_one_out(predictions, "ap50", STYLES)["data"][0]
    assert line["x"] == line["y"] == [0.30, 0.50]


def test_error_coverage_and_width_are_told(predictions):
    told = tell_leave_one_out(predictions, "ap50")
    assert "AP50 is off by 0.0289 (root mean square over 3 models)" in told
    assert "The 95 % interval holds for 2 of them (67 %), not for c; the median interval is 0.2 wide." in told


def test_no_model_is_named_where_all_intervals_hold_or_many_do_not(predictions):
    assert ", not for" not in tell_leave_one_out(predictions.assign(inside=True), "ap50")
    many = pd.concat([predictions] * 2).assign(inside=False)
    assert ", not for" not in tell_leave_one_out(many, "ap50")


@pytest.mark.parametrize(
    ("covered", "verdict"),
    [
        ([0.55, 0.90], "no level is off by more than chance"),
        ([0.25, 0.70], "those of 50 % and 95 % are too narrow"),
        ([0.90, 0.95], "those of 50 % are too wide"),
    ],
)
def test_calibration_is_judged_by_what_chance_allows(covered, verdict):
    told = tell_calibration(pd.DataFrame({"level": [0.5, 0.95], "covered": covered}), 20)
    assert told.startswith(f"Of the intervals, {100 * covered[0]:.0f} % of those of 50 % and ")
    assert told.endswith(f"With 20 predictions, {verdict}.")


def test_calibration_has_a_point_for_each_level_and_a_band_around_the_diagonal():
    table = pd.DataFrame({"level": [0.5, 0.8, 0.95], "covered": [0.4, 0.8, 1.0]})
    band, diagonal, points = go.Figure(draw_calibration(table, 20)).data
    assert (list(points.x), list(points.y)) == (table["level"].tolist(), table["covered"].tolist())
    assert (list(diagonal.x), list(diagonal.y)) == ([0, 1], [0, 1])
    half = len(band.x) // 2
    ends = zip(band.x[:half], band.y[:half], band.y[half:][::-1], strict=True)
    assert all(low <= level <= high for level, low, high in ends)
    assert min(band.y) == 0
    assert max(band.y) == 1
