"""What stands in the page, read back from its HTML."""

import base64
import dataclasses
import json
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import pytest
from html_page import Page

from yolo_plugins.pages.table import NONE
from yolo_plugins.study.report import interactive
from yolo_plugins.study.report.page import Report, write_report
from yolo_plugins.study.tables.csv_table import read_table, write_table
from yolo_plugins.study.tables.quantities import QUANTITIES, curves
from yolo_plugins.study.tables.schema import FITS


def drawn_scatter(*arguments) -> go.Figure:
    """As plotly reads it: what it does not know raises."""
    return go.Figure(interactive.draw_scatter(*arguments))


@pytest.fixture(scope="module")
def text(report: Report, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(path, report)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_page_asks_no_network(page):
    addresses = [attributes.get(name) for _, attributes, _ in page.elements for name in ("src", "href")]
    assert all(address.startswith(("data:", "#")) for address in addresses if address is not None)
    policy = next(attributes["content"] for attributes, _ in page.all("meta") if "http-equiv" in attributes)
    assert "default-src 'none'" in policy
    assert "http" not in policy


def test_names_of_users_are_text_and_not_markup(page, text, untrusted):
    assert untrusted in [cell for _, cell in page.all("th")]
    assert "<img src=x" not in text
    assert page.all("h1")[0][1] == "Study of <nine> models"
    assert "One run was left out: <killed>." in [item for _, item in page.all("li")]


def test_tables_hold_every_model_with_full_numbers_to_sort_by(page, models):
    heads = [head for attributes, head in page.all("th") if attributes["scope"] == "row"]
    assert heads[: len(models)] == list(models.sort_values("ap50", ascending=False)["model"])
    keys = [attributes.get("data-key") for attributes, _ in page.all("td")]
    for score in models["ap50"]:
        assert repr(score) in keys


def test_columns_without_a_value_are_left_out(page):
    labels = [label for _, label in page.all("button")]
    assert {"million parameters", "GFLOPs", "AP50", "seeds"} <= set(labels)
    assert not {"ms latency", "source", "input (px)"} & set(labels)


def test_downloads_are_the_tables_themselves(page, report):
    links = {attributes["download"]: attributes["href"] for attributes, _ in page.all("a") if "download" in attributes}
    assert list(links) == ["models.csv", "runs.csv", "epochs.csv", "fits.csv"]
    for name, address in links.items():
        frame = getattr(report, name.removesuffix(".csv"))
        data = base64.b64decode(address.removeprefix("data:text/csv;base64,"))
        assert data.decode() == frame.to_csv(index=False)


def test_a_name_is_no_formula_in_a_downloaded_table(report, tmp_path):
    models = report.models.replace({"model": {"yolov5_n_voc": "=1+1"}})
    write_report(tmp_path / "r.html", dataclasses.replace(report, models=models, runs=None, epochs=None))
    links = [attributes["href"] for attributes, _ in Page((tmp_path / "r.html").read_text()).all("a")]
    table = next(address for address in links if address.startswith("data:text/csv"))
    assert "\n'=1+1,yolov5," in base64.b64decode(table.removeprefix("data:text/csv;base64,")).decode()


def test_sources_name_their_models(report, tmp_path):
    sources = ["paper"] * 2 + [None] * (len(report.models) - 2)
    write_report(tmp_path / "r.html", dataclasses.replace(report, models=report.models.assign(source=sources)))
    items = [item for _, item in Page((tmp_path / "r.html").read_text(encoding="utf-8")).all("li")]
    assert "yolov5_n_voc and yolov5_s_voc: paper" in items


def test_figures_are_within_the_page(page, report):
    ((attributes, _),) = page.all("img")
    assert attributes["alt"] == "ap50 vs macs"
    assert (
        base64.b64decode(attributes["src"].removeprefix("data:image/svg+xml;base64,")) == report.figures[0].read_bytes()
    )


def test_every_law_of_the_headline_has_its_caveats(page):
    assert [title for _, title in page.all("h3")][:3] == [
        f"Law of {group}" for group in ("all models", "other models", "YOLOv5")
    ]
    assert "t(0.975) = 12.7" in page.words()


def test_laws_of_single_families_are_folded_away_where_their_union_is_drawn(report, tmp_path):
    both = report.fits[report.fits["group"] == "other"].assign(group="not_yolov5")
    write_report(tmp_path / "r.html", dataclasses.replace(report, fits=pd.concat([report.fits, both])))
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    before, folded = text.split("<summary>Laws of single families: 1</summary>")
    assert "<h3>Law of other models</h3>" in folded.split("</details>")[0]
    assert all(f"<h3>Law of {title}</h3>" in before for title in ("all models", "YOLOv5", "models outside YOLOv5"))


def test_plots_cover_every_cost_and_performance_that_models_have(text, report):
    data = next(body for attributes, body in Page(text).all("script") if attributes.get("id") == "plots")
    plots = json.loads(data, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert len(plots["scatter"]) == 2 * 5
    assert set(plots["curves"]) == set(curves(report.epochs))


def test_commands_and_environment_are_told(page, report):
    assert report.commands[0] in page.words()
    assert [value for _, value in page.all("dd")] == list(report.environment.values())


def test_published_figures_need_no_runs_curves_or_figures(report, tmp_path):
    write_report(tmp_path / "r.html", dataclasses.replace(report, runs=None, epochs=None, figures=(), notes=()))
    page = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert [title for _, title in page.all("h2")] == [
        "The law and the frontier",
        "Models",
        "Fits and their caveats",
        "Origin",
    ]
    assert "runs" not in page.all("p")[0][1]


def test_fits_read_back_from_a_file_make_the_same_page(report, text, tmp_path):
    write_table(report.fits, tmp_path / "fits.csv", FITS)
    fits = read_table(tmp_path / "fits.csv", FITS)
    write_report(tmp_path / "r.html", dataclasses.replace(report, fits=fits))
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == text


def test_missing_figure_leaves_no_page(report, tmp_path):
    with pytest.raises(FileNotFoundError):
        write_report(tmp_path / "r.html", dataclasses.replace(report, figures=(Path("none.svg"),)))
    assert not list(tmp_path.iterdir())


def test_scatter_has_a_marker_for_each_model_and_a_line_for_each_law(report):
    figure = drawn_scatter(report.models, report.fits, "macs", "ap50", report.front.names)
    markers = [trace for trace in figure.data if trace.mode == "markers"]
    assert sum(len(trace.x) for trace in markers) == len(report.models)
    assert max(max(trace.x) for trace in markers) == pytest.approx(2e-9 * report.models["macs"].max())
    shown = [trace.name for trace in figure.data if trace.visible is True and trace.name]
    assert [name.split(":")[0] for name in shown] == ["other models", "YOLOv5"]


def test_plot_of_many_families_offers_no_line_of_each(report):
    fit = report.fits[(report.fits["x"] == "macs") & (report.fits["y"] == "ap50") & (report.fits["group"] == "other")]
    many = [fit.assign(group=group) for group in (*(f"family_{index}" for index in range(9)), "not_yolov5")]
    figure = drawn_scatter(report.models, pd.concat([report.fits, *many]), "macs", "ap50", report.front.names)
    lines = [trace.name.split(":")[0] for trace in figure.data if trace.name and "exponent" in trace.name]
    assert sorted(lines) == ["YOLOv5", "all models", "models outside YOLOv5"]


def test_hover_texts_escape_what_plotly_would_read_as_markup(report):
    figure = drawn_scatter(report.models, report.fits, "macs", "ap50", report.front.names)
    texts = [text for trace in figure.data for text in trace.hovertext or ()]
    assert any("&lt;img src=x" in text for text in texts)
    assert not any("<img" in text for text in texts)


def test_curve_is_the_mean_over_seeds_of_the_validated_epochs(report):
    figure = go.Figure(interactive.draw_curves(report.epochs, QUANTITIES["ap50"]))
    curve = next(trace for trace in figure.data if trace.name == "yolov5_n")
    rows = report.epochs[(report.epochs["model"] == "yolov5_n_voc") & (report.epochs["epoch"] == 12)]
    assert list(curve.x) == [3, 6, 9, 12]
    assert curve.y[-1] == pytest.approx(rows["ap50"].mean())


def test_names_on_the_front_keep_their_distance(report):
    crowd = pd.concat([report.models.iloc[[0]]] * 3).assign(
        model=["a", "b", "c"], macs=[100, 101, 1000], ap50=[0.3, 0.301, 0.6]
    )
    figure = drawn_scatter(crowd, report.fits, "macs", "ap50", ["a", "b", "c"])
    front = next(trace for trace in figure.data if trace.name == "Pareto front")
    assert [text.strip() for text in front.text] == ["a", "", "c"]


def test_runs_on_a_device_of_known_peak_tell_how_much_of_it_they_use(report, page, tmp_path):
    assert "% of the device's peak" in page.words()
    macs = report.models.set_index("model")["macs"].iloc[0]
    assert f"{100 * 100.0 * 2 * macs / 156e12:.2f}" in page.words()  # 100 images a second on an A100 in TF32
    unknown = dataclasses.replace(report, runs=report.runs.assign(device="AMD EPYC"))
    write_report(tmp_path / "report.html", unknown)
    assert "% of the device's peak" not in Page((tmp_path / "report.html").read_text(encoding="utf-8")).words()


@pytest.mark.parametrize(("name", "value"), [("device", "AMD EPYC"), ("latency_precision", None)])
def test_a_run_without_a_known_peak_hides_no_other(report, page, tmp_path, name, value):
    runs = report.runs.copy()
    runs.loc[0, name] = value
    write_report(tmp_path / "report.html", dataclasses.replace(report, runs=runs))
    words = Page((tmp_path / "report.html").read_text(encoding="utf-8")).words()
    assert "% of the device's peak" in words
    macs = report.models.set_index("model")["macs"]
    shares = [f"{100 * 100.0 * 2 * macs[model] / 156e12:.2f}" for model in runs["model"]]
    assert shares[-1] in words
    assert words.count(NONE) == page.words().count(NONE) + 1


def test_verdict_and_checks_of_the_predictions_have_a_place_of_their_own(report, page, tmp_path):
    measured = report.models["ap50"]
    predictions = report.models[["model", "family"]].assign(
        measured=measured, predicted=measured, low=measured - 0.1, high=measured + 0.1, inside=True
    )
    shares = pd.DataFrame({"level": [0.5, 0.95], "covered": [0.6, 1.0]})
    checked = dataclasses.replace(
        report, verdict=("A claim holds.", "One does not."), leave_one_out=predictions, calibration=shares
    )
    write_report(tmp_path / "r.html", checked)
    found = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert [item for _, item in found.all("li")][:2] == ["A claim holds.", "One does not."]
    new = {title for _, title in found.all("h2")} - {title for _, title in page.all("h2")}
    assert new == {"Prediction", "Calibration"}


@pytest.mark.parametrize("y", ["ap50", "ap50_95", "train_loss"])  # the headline's and others
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_value_at_an_end_of_its_scale_has_no_place_on_a_logarithmic_axis(report, tmp_path, y, value):
    models = report.models.copy()
    models.loc[0, y] = value
    write_report(tmp_path / "report.html", dataclasses.replace(report, models=models))
    figure = drawn_scatter(models, report.fits, "params", y, [str(models.at[1, "model"])])
    drawn = [number for trace in figure.data if trace.mode == "markers" for number in trace.y]
    assert (value in drawn) == (y == "train_loss" and value == 1.0)
    assert len(drawn) == models[y].notna().sum() - (value not in drawn)


def test_verdict_on_the_papers_claims_stands_on_top(page, report):
    items = [item for _, item in page.all("li")]
    assert items[: len(report.verdict)] == list(report.verdict)
