"""Where names stand: off each other, inside the axes, near what they name."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.transforms import Bbox

from yolo_plugins.study.report.figure_labels import label_line_ends, label_points
from yolo_plugins.study.report.figure_style import column_figure, model_styles

NAMES = [f"yolov5_backbone{index:02}" for index in range(13)]


def boxes(axes) -> dict[str, Bbox]:
    """Where each text is, in points."""
    axes.figure.draw_without_rendering()
    scale = 72 / axes.figure.dpi
    return {text.get_text(): Bbox(text.get_tightbbox().get_points() * scale) for text in axes.texts if text.get_text()}


def overlap(first: Bbox, second: Bbox) -> bool:
    """Whether two boxes share more than the blank above and below letters."""
    shared = Bbox.intersection(first, second)
    return shared is not None and shared.width > 1 and shared.height > 1


def label(axes, points):
    label_points(axes, points, np.array(list(points.values())))


@pytest.fixture
def axes():
    with column_figure(3) as (_, axes):
        axes.set(xlim=(0, 1), ylim=(0, 1))
        yield axes


@pytest.mark.parametrize("seed", range(5))
def test_names_of_thirteen_crowded_points_do_not_overlap_nor_leave_the_axes(axes, seed):
    places = 0.5 + 0.13 * np.random.default_rng(seed).standard_normal((13, 2))
    label(axes, dict(zip(NAMES, map(tuple, places.clip(0.05, 0.95)), strict=True)))
    texts = boxes(axes)
    assert sorted(texts) == NAMES
    assert not [pair for pair in combinations(texts, 2) if overlap(texts[pair[0]], texts[pair[1]])]
    frame = Bbox(axes.bbox.get_points() * 72 / axes.figure.dpi).padded(1)
    assert all(frame.contains(*box.min) and frame.contains(*box.max) for box in texts.values())


def test_the_name_of_a_lonely_point_stands_right_of_it_without_a_line(axes):
    label(axes, {"model": (0.4, 0.5)})
    assert [text.get_text() for text in axes.texts] == ["model"] and not axes.lines
    x, y = axes.transData.transform((0.4, 0.5)) * 72 / axes.figure.dpi
    box = boxes(axes)["model"]
    assert 2 < box.x0 - x < 6
    assert box.y0 < y < box.y1


def test_a_name_hides_no_point_whether_that_has_a_name_or_not(axes):
    others = np.array([(0.5, 0.5), *((0.5 + 0.02 * step, 0.5) for step in range(1, 20))])
    label_points(axes, {"model": (0.5, 0.5)}, others)
    box = boxes(axes)["model"]
    assert not any(box.contains(*point) for point in axes.transData.transform(others) * 72 / axes.figure.dpi)


def test_a_name_that_moves_away_is_joined_to_its_point(axes):
    points = {name: (0.5, 0.5 + 0.001 * index) for index, name in enumerate(NAMES)}
    label(axes, points)
    ends = [np.round(line.get_xydata()[1], 6) for line in axes.lines]
    assert len(ends) >= 5
    assert {tuple(end.tolist()) for end in ends} <= {tuple(np.round(point, 6)) for point in points.values()}


def test_a_name_without_room_is_written_all_the_same_and_nothing_is_printed(axes, capsys):
    label(axes, {"m" * 200: (0.5, 0.5)})
    assert [text.get_text() for text in axes.texts] == ["m" * 200]
    assert capsys.readouterr() == ("", "")


def test_names_of_curves_that_end_together_stand_one_below_another_in_their_order(axes):
    ends = {name: (1.0, 0.5 + 0.001 * index) for index, name in enumerate(NAMES)}
    label_line_ends(axes, ends, model_styles(NAMES))
    texts = boxes(axes)
    heights = [texts[name].y0 for name in NAMES]
    assert np.diff(heights).min() > 6.5  # points; the letters are 6
    right = axes.bbox.x1 * 72 / axes.figure.dpi
    assert all(box.x0 > right for box in texts.values())
    middle = (heights[0] + heights[-1]) / 2 + 3
    assert middle == pytest.approx(axes.transData.transform((1, 0.506))[1] * 72 / axes.figure.dpi, abs=3)


def test_a_name_of_a_curve_with_room_stands_at_its_end_with_the_curves_marker(axes):
    ends = {"a": (1.0, 0.2), "b": (1.0, 0.8)}
    label_line_ends(axes, ends, model_styles(ends))
    texts = {text.get_text(): text.get_position()[1] for text in axes.texts if text.get_text()}
    assert texts == pytest.approx({"a": 0.2, "b": 0.8})
    assert [line.get_marker() for line in axes.lines] == [style.marker for style in model_styles(ends).values()]


def test_more_curves_than_fit_share_the_height_of_the_axes(axes):
    ends = {f"model_{index:02}": (1.0, 0.5) for index in range(60)}
    label_line_ends(axes, ends, model_styles(ends))
    places = sorted(text.get_position()[1] for text in axes.texts if text.get_text())
    assert places[0] == pytest.approx(0) and places[-1] == pytest.approx(1)
    assert np.diff(places) == pytest.approx(1 / 59)
