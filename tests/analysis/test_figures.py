"""What the figures show, read back from the axes."""

from itertools import pairwise

import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from yolo_plugins.analysis.figures import draw_flops, draw_params, save_complexity

PARTS = ("backbone", "neck", "head")


@pytest.fixture
def table() -> pd.DataFrame:
    """Three models, the largest neither first nor last; the order by FLOPs is another one than by parameters."""
    rows = [
        {"model": "b", "params": [3e6, 2e6, 1e6], "flops": [5e9, 3e9, 1e9]},
        {"model": "c", "params": [6e6, 2e6, 1e6], "flops": [2e9, 1e9, 1e9]},
        {"model": "a", "params": [1e6, 1e6, 1e6], "flops": [1e9, 1e9, 1e9]},
    ]
    table = pd.DataFrame({"model": [row["model"] for row in rows], "input_h": 320, "input_w": 384})
    for quantity in ("params", "flops"):
        for index, part in enumerate(PARTS):
            table[f"{quantity}_{part}"] = [row[quantity][index] for row in rows]
        table[quantity] = [sum(row[quantity]) for row in rows]
    return table


@pytest.mark.parametrize(
    ("draw", "quantity", "unit", "order"),
    [(draw_params, "params", 1e6, ["a", "b", "c"]), (draw_flops, "flops", 1e9, ["a", "c", "b"])],
)
def test_bars_are_stacked_by_part_and_sorted_with_the_largest_on_top(table, draw, quantity, unit, order):
    axes = Figure().subplots()
    assert draw(axes, table) is axes
    assert [label.get_text() for label in axes.get_yticklabels()] == order
    rows = table.set_index("model").loc[order]
    ends = [0.0] * len(order)
    for part, bars in zip(PARTS, axes.containers, strict=True):
        assert bars.get_label() == part
        assert [bar.get_x() for bar in bars] == pytest.approx(ends)
        assert [bar.get_width() for bar in bars] == pytest.approx(list(rows[f"{quantity}_{part}"] / unit))
        ends = [bar.get_x() + bar.get_width() for bar in bars]
    assert [text.get_text() for text in axes.texts] == [f"{total / unit:.2f}" for total in rows[quantity]]


def test_axes_tell_unit_and_input_size(table):
    axes = Figure().subplots()
    assert draw_params(axes, table).get_xlabel() == "parameters (millions)"
    assert draw_flops(axes, table).get_xlabel() == "FLOPs at 320 x 384 pixels (billions)"


def test_parts_differ_in_lightness_so_that_a_grey_print_keeps_them_apart(table):
    axes = draw_params(Figure().subplots(), table)
    colors = [to_hex(bars[0].get_facecolor()) for bars in axes.containers]
    lightness = [sum(int(color[i : i + 2], 16) * w for i, w in ((1, 0.3), (3, 0.59), (5, 0.11))) for color in colors]
    assert all(second - first > 50 for first, second in pairwise(lightness))


@pytest.mark.parametrize("models", [1, 3])
def test_a_png_is_written_for_any_number_of_models(table, models, tmp_path):
    path = tmp_path / "new" / "bars.png"
    save_complexity(table[:models], path)
    assert path.read_bytes().startswith(b"\x89PNG\r\n")
    assert [entry.name for entry in path.parent.iterdir()] == ["bars.png"]
