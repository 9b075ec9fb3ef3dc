"""Points, laws, front and quantile as they stand on the axes."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from yolo_plugins.study.laws.alternative_laws import UpperQuantile
from yolo_plugins.study.laws.pareto import pareto_front
from yolo_plugins.study.laws.power_law import fit_power_law
from yolo_plugins.study.report.figure_style import column_figure
from yolo_plugins.study.report.figure_trends import Trend, draw_power_laws, draw_scatter
from yolo_plugins.study.tables.families import GREEN, ORANGE

MACS = [1e9, 2e9, 4e9, 8e9, 1e9, 4e9, 16e9]
LOSSES = [4.0, 4.4, 4.7, 5.2, 3.6, 3.5, 4.1]


@pytest.fixture
def models() -> pd.DataFrame:
    """Three of YOLOv5, four others; the third of YOLOv5 was trained with several seeds, `other3` was not validated."""
    names = ["yolov5_0", "yolov5_1", "yolov5_2", "other0", "other1", "other2", "other3"]
    table = pd.DataFrame({"model": names, "family": ["yolov5"] * 3 + ["other"] * 4, "input_h": 320, "input_w": 320})
    table["macs"], table["params"], table["inverse_normalized_loss"] = MACS, np.array(MACS) / 500, LOSSES
    table["ap50"] = [0.5, 0.55, 0.6, 0.4, 0.45, 0.5, None]
    table["ap50_sd"] = [None, None, 0.02, None, None, None, None]
    return table


@pytest.fixture
def axes():
    with column_figure(3) as (_, axes):
        yield axes


def laws(models, x="macs", y="inverse_normalized_loss", groups=("yolov5", "other")):
    rows = {group: models if group == "all" else models[models["family"] == group] for group in groups}
    return {group: fit_power_law(*(list(row[key]) for key in (x, y, "model"))) for group, row in rows.items()}


def line(axes, color, style) -> np.ndarray:
    """The one line of this colour and style, as (n, 2)."""
    found = [line for line in axes.lines if (to_hex(line.get_color()).upper(), line.get_linestyle()) == (color, style)]
    assert len(found) == 1
    return np.asarray(found[0].get_xydata())


def legend(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_points_stand_at_their_parameters_in_millions_and_flops_in_billions(axes, models):
    draw_scatter(axes, models, "params", "inverse_normalized_loss")
    points = line(axes, ORANGE, "None")
    assert points == pytest.approx(np.array([[2, 4], [4, 4.4], [8, 4.7]]))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("parameters (millions)", "inverse normalised loss")
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")


def test_flops_are_twice_the_macs(axes, models):
    draw_scatter(axes, models, "macs", "inverse_normalized_loss")
    assert line(axes, ORANGE, "None")[:, 0] == pytest.approx([2, 4, 8])
    assert axes.get_xlabel() == "FLOPs at 320 x 320 pixels (billions)"


def test_every_model_with_both_numbers_is_named_and_no_other(axes, models):
    draw_scatter(axes, models, "macs", "ap50")
    names = sorted(text.get_text() for text in axes.texts if text.get_text())
    assert names == ["other0", "other1", "other2", "yolov5_0", "yolov5_1", "yolov5_2"]


def test_of_many_models_those_of_the_front_and_the_extremes_are_named(axes):
    index = np.arange(500)
    values = 0.2 + 0.3 * np.sin(index) ** 2
    table = pd.DataFrame({"model": [f"m{number}" for number in index], "family": "other", "params": 1e6 * (1 + index)})
    table = table.assign(ap50=values, input_h=320, input_w=320)
    front = pareto_front(table["params"].tolist(), table["ap50"].tolist(), table["model"].tolist())
    draw_power_laws(axes, table, "params", "ap50", Trend({}, front))
    extremes = {"m0", "m499", f"m{values.argmin()}", f"m{values.argmax()}"}
    assert {text.get_text() for text in axes.texts if text.get_text()} == extremes | set(front.names)


@pytest.mark.parametrize("draw", [draw_scatter, lambda *arguments: draw_power_laws(*arguments, Trend({}))])
def test_a_score_at_an_end_of_its_scale_is_not_drawn(axes, models, draw):
    models["ap50"] = [0.5, 0.55, 0.6, 0.0, 0.45, 1.0, None]
    draw(axes, models, "macs", "ap50")
    names = sorted(text.get_text() for text in axes.texts if text.get_text())
    assert names == ["other1", "yolov5_0", "yolov5_1", "yolov5_2"]


def test_spread_over_seeds_is_drawn_where_there_are_several(axes, models):
    draw_scatter(axes, models, "macs", "ap50")
    bars = [np.ptp(path[:, 1]) for lines in axes.collections for path in lines.get_segments()]
    assert sorted(bars) == pytest.approx([0, 0, 0, 0, 0, 0.04])


@pytest.mark.parametrize("absent", [True, False])
def test_no_model_with_both_numbers_is_refused(axes, models, absent):
    models = models.drop(columns="ap50") if absent else models.assign(ap50=None)
    with pytest.raises(ValueError, match="no model has both macs and ap50"):
        draw_scatter(axes, models, "macs", "ap50")


def test_each_law_is_drawn_in_the_papers_colour_over_the_range_of_its_models(axes, models):
    found = laws(models)
    draw_power_laws(axes, models, "macs", "inverse_normalized_loss", Trend(found))
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    for group, color, style in (("yolov5", ORANGE, "-"), ("other", GREEN, "--")):
        curve, law = line(axes, color, style), found[group]
        assert curve[[0, -1], 0] == pytest.approx([2e-9 * law.x_min, 2e-9 * law.x_max])
        assert curve[:, 1] == pytest.approx(law.coefficient * (curve[:, 0] / 2e-9) ** law.exponent)


def test_the_band_is_the_95_percent_interval_of_the_mean(axes, models):
    found = laws(models, groups=("other",))
    draw_power_laws(axes, models, "macs", "inverse_normalized_loss", Trend(found))
    edges = axes.collections[0].get_paths()[0].vertices
    band = found["other"].mean_interval(found["other"].x_max)
    at_the_right = edges[np.isclose(edges[:, 0], 2e-9 * found["other"].x_max), 1]
    assert [at_the_right.min(), at_the_right.max()] == pytest.approx([float(band.low), float(band.high)])


def test_the_axes_end_near_the_models_however_wide_a_band_is(axes, models):
    models.loc[1, "inverse_normalized_loss"] = 4.9
    found = laws(models, groups=("yolov5",))
    assert found["yolov5"].mean_interval(1e9).high > 10
    draw_power_laws(axes, models, "macs", "inverse_normalized_loss", Trend(found))
    low, high = axes.get_ylim()
    assert 3 < low < min(LOSSES) and max(LOSSES) < high < 6


def test_the_legend_tells_exponent_interval_models_and_degrees_of_freedom(axes, models):
    found = laws(models)
    draw_power_laws(axes, models, "macs", "inverse_normalized_loss", Trend(found))
    exponent, interval = found["other"].exponent, found["other"].exponent_interval
    yolov5, other = legend(axes)
    assert other == f"other models: {exponent:.3f} [{interval.low:.3f}, {interval.high:.3f}], n = 4, 2 dof"
    assert yolov5.startswith("YOLOv5: ") and yolov5.endswith("n = 3, 1 dof, t = 12.7")
    assert axes.get_legend().get_title().get_text() == "exponents of power laws, with 95 % intervals by t"


def test_the_legend_stands_above_the_data(axes, models):
    draw_power_laws(axes, models, "macs", "inverse_normalized_loss", Trend(laws(models)))
    axes.figure.draw_without_rendering()
    legend_box = axes.get_legend().get_window_extent()
    assert legend_box.y0 >= axes.bbox.y1
    assert legend_box.x1 <= axes.figure.bbox.x1


def test_a_family_without_a_line_is_named_by_its_marker(axes, models):
    draw_power_laws(axes, models, "macs", "inverse_normalized_loss", Trend(laws(models, groups=("other",))))
    assert legend(axes)[1] == "YOLOv5"
    assert len(line(axes, ORANGE, "None")) == 3
    assert len([text for text in axes.texts if text.get_text()]) == len(models)


def test_many_families_without_a_line_stand_side_by_side_above_the_lines(models):
    models = models.assign(input_h=[32 * number for number in range(1, 8)])
    with column_figure(3) as (figure, axes):
        trend = Trend({}, pareto_front(MACS, LOSSES, list(models["model"])))
        draw_power_laws(axes, models, "macs", "inverse_normalized_loss", trend, "input_h")
        figure.draw_without_rendering()
        (above,) = figure.legends
        assert {text.get_text() for text in above.get_texts()} == {str(size) for size in models["input_h"]}
        assert above.get_window_extent().height < 4 * above.get_texts()[0].get_window_extent().height * 1.5
        assert above.get_window_extent().y0 >= axes.get_legend().get_window_extent().y1
        assert legend(axes) == ["Pareto front"]


def test_points_are_of_the_column_that_divides_the_models(axes, models):
    models = models.assign(input_h=[320] * 3 + [640] * 4)
    draw_power_laws(axes, models, "macs", "inverse_normalized_loss", Trend({}), "input_h")
    assert legend(axes) == ["320", "640"]


def test_the_front_is_the_best_value_for_each_cost_up_to_the_costliest_model(axes, models):
    front = pareto_front(MACS, LOSSES, list(models["model"]))
    draw_power_laws(axes, models, "macs", "inverse_normalized_loss", Trend(laws(models), front))
    steps = next(line for line in axes.lines if line.get_label() == "Pareto front").get_xydata()
    expected = [(2, 4), (4, 4), (4, 4.4), (8, 4.4), (8, 4.7), (16, 4.7), (16, 5.2), (32, 5.2)]
    assert steps == pytest.approx(np.array(expected))
    assert legend(axes)[-1] == "Pareto front"


def test_the_upper_quantile_is_drawn_over_all_models_with_its_exponent(axes, models):
    upper = UpperQuantile(tau=0.9, exponent=0.1, coefficient=0.6, on=("a", "b"), above=())
    draw_power_laws(axes, models, "macs", "inverse_normalized_loss", Trend(laws(models), upper=upper))
    drawn = next(line for line in axes.lines if line.get_label().startswith("90 %")).get_xydata()
    assert drawn[[0, -1], 0] == pytest.approx([2, 32])
    assert drawn[:, 1] == pytest.approx(0.6 * (drawn[:, 0] / 2e-9) ** 0.1)
    assert legend(axes)[-1] == "90 % quantile of all models: 0.100"
