"""Styles that stay apart in colour and in grey, readable ticks, and files that are the same each time."""

import re
from itertools import pairwise

import pandas as pd
import pytest
from matplotlib.figure import Figure

from yolo_plugins.study.report.figure_style import (
    axis_label,
    column_figure,
    group_styles,
    model_styles,
    render,
    save_figure,
    short_names,
    use_log_scale,
)
from yolo_plugins.study.tables.families import GREEN, ORANGE


def test_thirteen_models_differ_in_marker_alone_and_neighbours_in_line_style_too():
    styles = list(model_styles(f"model_{index:02}" for index in range(13)).values())
    assert len({style.marker for style in styles}) == 13
    assert all(a.linestyle != b.linestyle and a.color != b.color for a, b in pairwise(styles))


def test_a_models_style_does_not_depend_on_the_order_of_rows():
    assert model_styles(["b", "a", "b"]) == model_styles(["a", "b"])


@pytest.mark.parametrize(
    ("groups", "green"),
    [
        (["yolov5", "other"], "other"),
        (["all", "not_yolov5", "yolov5", "scaled_yolov4"], "not_yolov5"),
        (["yolov5", "scaled_yolov4"], "scaled_yolov4"),
    ],
)
def test_yolov5_is_orange_and_one_group_outside_it_green(groups, green):
    styles = group_styles(groups)
    assert styles["yolov5"].color == ORANGE
    assert [group for group, style in styles.items() if style.color == GREEN] == [green]
    assert len({style.linestyle for style in styles.values()}) == len(groups)
    assert len({style.marker for style in styles.values()}) == len(groups)


def test_points_of_forty_families_differ():
    styles = group_styles(f"family_{index:02}" for index in range(40)).values()
    assert len({(style.color, style.marker) for style in styles}) == 40


@pytest.mark.parametrize(
    ("models", "short"),
    [
        (["yolov5_n_voc", "yolov5_repvgg_voc"], ["yolov5_n", "yolov5_repvgg"]),
        (["yolov5_n_voc", "yolov5_n_coco"], ["yolov5_n_voc", "yolov5_n_coco"]),
        (["yolov5_n_voc"], ["yolov5_n_voc"]),
        (["_voc", "a_voc"], ["_voc", "a_voc"]),
        (["a", "b"], ["a", "b"]),
    ],
)
def test_names_lose_only_an_ending_that_all_models_share(models, short):
    assert [short_names(models)[model] for model in models] == short


@pytest.mark.parametrize(
    ("sizes", "label"),
    [
        ([320], "FLOPs at 320 x 320 pixels (billions)"),
        ([320, 384, 320], "FLOPs at 320 x 320 or 384 x 384 pixels (billions)"),
        ([416, 640, 896], "FLOPs at each model's own input size (billions)"),
    ],
)
def test_the_label_of_flops_tells_the_input_size(sizes, label):
    assert axis_label("macs", pd.DataFrame({"input_h": sizes, "input_w": sizes})) == label


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1.7, 60, ["2", "5", "10", "20", "50"]),
        (4, 2000, ["5", "10", "20", "50", "100", "200", "500", "1,000", "2,000"]),
        (3.9, 5.1, ["4.0", "4.2", "4.4", "4.6", "4.8", "5.0"]),
        (0.27, 0.39, ["0.28", "0.30", "0.32", "0.34", "0.36", "0.38"]),
    ],
)
def test_ticks_of_a_log_axis_are_round_numbers_written_out(low, high, ticks):
    axes = Figure().subplots()
    axes.set_xlim(low, high)
    use_log_scale(axes.xaxis)
    axes.figure.draw_without_rendering()
    assert axes.get_xscale() == "log" and axes.get_xlim() == (low, high)
    places = axes.xaxis.get_majorticklocs()
    texts = [label.get_text() for label in axes.get_xticklabels()]
    assert [text for place, text in zip(places, texts, strict=True) if low <= place <= high] == ticks
    assert not any(label.get_text() for label in axes.get_xticklabels(minor=True))


def test_a_figure_is_written_as_the_same_png_and_svg_each_time(tmp_path):
    written = []
    for turn in ("first", "second"):
        with column_figure(2) as (figure, axes):
            axes.plot([1, 2], [3, 4], marker="o", label="a_$name$")
            axes.legend()
            paths = save_figure(figure, tmp_path / turn / "v1.0_loss")
        assert [path.name for path in paths] == ["v1.0_loss.png", "v1.0_loss.svg"]
        assert sorted(entry.name for entry in (tmp_path / turn).iterdir()) == ["v1.0_loss.png", "v1.0_loss.svg"]
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]
    png, svg = written[0]
    assert png.startswith(b"\x89PNG\r\n")
    assert b">a_$name$</text>" in svg  # text, neither outlines nor a formula
    assert b"<dc:date>" not in svg


def test_a_figure_is_as_wide_as_a_printed_column_with_small_print():
    with column_figure(2) as (figure, axes):
        assert figure.get_size_inches().tolist() == [3.5, 2]
        assert axes.xaxis.label.get_size() == 7


def test_coordinates_of_an_svg_are_short_and_its_numbers_whole():
    figure = Figure()
    figure.subplots().plot([0.123456, 0.654321], [1, 2])
    figure.text(0.5, 0.5, "12.345678")
    svg = bytes(render(figure, "svg", metadata={"Date": None})).decode()
    assert ">12.345678</text>" in svg
    assert not re.search(r' d="[^"]*\.\d{3}', svg)
