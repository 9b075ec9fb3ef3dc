"""What the figures show, read back from the axes."""

from itertools import pairwise

import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from yolo_plugins.study.laws.power_law import fit_power_law
from yolo_plugins.study.report.figures import (
    MOST_BARS,
    Trend,
    draw_epoch_seconds,
    draw_flops,
    draw_loss,
    draw_metric_curve,
    draw_params,
    save_complexity,
    save_study,
)

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


def test_bars_of_many_models_are_those_of_the_largest_and_say_so(table):
    rows = [table.iloc[[0]].assign(model=f"m{number:03}", params=1e6 * number) for number in range(1, MOST_BARS + 41)]
    axes = draw_params(Figure().subplots(), pd.concat(rows))
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [f"m{number:03}" for number in range(41, MOST_BARS + 41)]
    assert axes.get_xlabel().endswith(f"; the {MOST_BARS} largest of {MOST_BARS + 40}")


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


@pytest.fixture
def epochs() -> pd.DataFrame:
    """Model a with two seeds, b with one; four epochs, of which the second and the fourth were validated."""
    rows = []
    for model, seed, loss, ap50 in (("a", 0, 0.4, 0.2), ("a", 1, 0.6, 0.4), ("b", 0, 0.8, 0.6)):
        for epoch in (1, 2, 3, 4):
            scored = ap50 * epoch / 4 if epoch % 2 == 0 else None
            seconds = 10 * epoch + 100 * (model == "a")
            rows.append((model, seed, epoch, loss / epoch, seconds, scored, scored and scored / 2))
    return pd.DataFrame(rows, columns=["model", "seed", "epoch", "train_loss", "train_seconds", "ap50", "ap50_95"])


def curves(axes) -> dict[str, list[tuple[float, float]]]:
    lines = [line for line in axes.lines if not line.get_label().startswith("_")]
    return {line.get_label(): [tuple(point) for point in line.get_xydata()] for line in lines}


def test_a_loss_curve_is_the_mean_over_seeds_with_their_range_as_a_band(epochs):
    axes = Figure(layout="constrained").subplots()
    assert draw_loss(axes, epochs) is axes
    drawn = curves(axes)
    assert drawn["a"] == [(epoch, pytest.approx(0.5 / epoch)) for epoch in (1, 2, 3, 4)]
    assert drawn["b"] == [(epoch, pytest.approx(0.8 / epoch)) for epoch in (1, 2, 3, 4)]
    band = axes.collections[0].get_paths()[0].vertices
    assert {round(y, 9) for x, y in band if x == 1} == {0.4, 0.6}
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) == ("epoch", "training loss", "log")
    assert [text.get_text() for text in axes.texts if text.get_text()] == ["a", "b"]


def test_of_many_curves_the_lowest_and_the_highest_are_named():
    rows = [(f"m{index}", 0, epoch, index / epoch) for index in range(1, 41) for epoch in (1, 2)]
    table = pd.DataFrame(rows, columns=["model", "seed", "epoch", "train_loss"])
    axes = draw_loss(Figure(layout="constrained").subplots(), table)
    assert [text.get_text() for text in axes.texts if text.get_text()] == ["m1", "m40"]
    assert len(curves(axes)) == 40


def test_a_loss_of_0_is_off_the_log_scale_and_a_wide_range_stays_on_it(epochs, recwarn):
    axes = draw_loss(Figure(layout="constrained").subplots(), epochs.assign(train_loss=[0.0, 0.1, 50, 100] * 3))
    assert curves(axes)["b"] == [(2, 0.1), (3, 50), (4, 100)]
    low, high = axes.get_ylim()
    assert 0 < low < 0.1 and high > 100
    assert not recwarn


def test_losses_of_0_alone_have_no_figure(models, epochs, tmp_path):
    paths = save_study(tmp_path, models[["model", "family"]], {}, epochs.assign(train_loss=0.0))
    assert "loss.png" not in [path.name for path in paths]


def test_a_metric_curve_joins_the_validated_epochs(epochs):
    axes = draw_metric_curve(Figure(layout="constrained").subplots(), epochs, "ap50")
    assert curves(axes) == {"a": [(2, pytest.approx(0.15)), (4, pytest.approx(0.3))], "b": [(2, 0.3), (4, 0.6)]}
    assert axes.get_ylabel() == "AP50"
    assert axes.get_ylim()[0] == 0


def test_a_model_looks_the_same_in_every_curve(epochs):
    epochs.loc[epochs["model"] == "a", "ap50"] = None
    drawn = [
        draw_loss(Figure(layout="constrained").subplots(), epochs),
        draw_metric_curve(Figure(layout="constrained").subplots(), epochs, "ap50"),
    ]
    looks = [{line.get_label(): (line.get_color(), line.get_marker()) for line in axes.lines} for axes in drawn]
    assert "a" not in looks[1]
    assert looks[0]["b"] == looks[1]["b"]


def test_a_metric_that_no_epoch_has_is_refused(epochs):
    with pytest.raises(ValueError, match="no epoch has a value of ap50"):
        draw_metric_curve(Figure().subplots(), epochs.assign(ap50=None), "ap50")


def test_seconds_of_an_epoch_are_means_with_the_slowest_model_on_top(epochs):
    axes = draw_epoch_seconds(Figure().subplots(), epochs)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "a"]
    assert [bar.get_width() for bar in axes.containers[0]] == [25, 125]
    assert [segment[:, 0].tolist() for segment in axes.collections[0].get_segments()] == [[10, 40], [110, 140]]
    assert [text.get_text() for text in axes.texts] == ["25.0", "125.0"]


@pytest.fixture
def models(table) -> pd.DataFrame:
    """The three models of the table, validated, without a latency."""
    models = table[["model", "input_h", "input_w", "params"]].assign(macs=table["flops"] / 2, family="other")
    return models.assign(ap50=[0.3, 0.5, 0.2], latency_seconds=None, train_loss=[0.4, 0.2, 0.5])


def test_a_study_is_drawn_as_far_as_its_tables_go(table, models, epochs, tmp_path):
    law = fit_power_law(models["macs"].tolist(), models["ap50"].tolist(), models["model"].tolist())
    paths = save_study(tmp_path / "figures", models, {("macs", "ap50"): Trend({"other": law})}, epochs, table)
    stems = ["loss", "epoch_seconds", "ap50", "ap50_95", "params", "flops"]
    stems += ["train_loss_vs_params", "train_loss_vs_macs", "ap50_vs_params", "ap50_vs_macs"]
    assert [path.name for path in paths] == [f"{stem}.{form}" for stem in stems for form in ("png", "svg")]
    assert sorted(paths) == sorted((tmp_path / "figures").iterdir())
    texts = {path.stem: path.read_text() for path in paths if path.suffix == ".svg"}
    assert f"other models: {law.exponent:.3f} [" in texts["ap50_vs_macs"]
    assert "exponent" not in texts["ap50_vs_params"]


def test_a_study_without_epochs_and_complexity_has_only_performance_against_cost(models, tmp_path):
    paths = save_study(tmp_path, models[["model", "family", "params", "ap50"]], {})
    assert [path.name for path in paths] == ["ap50_vs_params.png", "ap50_vs_params.svg"]


def test_curves_of_epochs_that_were_never_validated_are_those_of_training(models, epochs, tmp_path):
    paths = save_study(tmp_path, models[["model", "family"]], {}, epochs.assign(ap50=None).drop(columns="ap50_95"))
    assert [path.name for path in paths if path.suffix == ".png"] == ["loss.png", "epoch_seconds.png"]
