"""The study as one page, `report.html`.

The page's words are those of `caveats`, its plots those of `interactive`, its form that of `yolo_plugins.pages`.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from yolo_plugins.costs.utilization import flops_of, is_known, utilization
from yolo_plugins.pages.render import data_uri, write_page
from yolo_plugins.pages.table import NONE, Cell, Column, PageTable, number, page_table, word
from yolo_plugins.study.laws.fits import front_of, law_of
from yolo_plugins.study.laws.pareto import ParetoFront
from yolo_plugins.study.report.caveats import join_words, plain, tell_best, tell_caveats, tell_choice, tell_law
from yolo_plugins.study.report.figure_style import group_styles
from yolo_plugins.study.report.interactive import draw_curves, draw_scatter, tell_value
from yolo_plugins.study.report.prediction_plots import (
    draw_calibration,
    draw_leave_one_out,
    tell_calibration,
    tell_leave_one_out,
)
from yolo_plugins.study.tables.csv_table import format_table
from yolo_plugins.study.tables.families import ALL, drawn_groups, group_title, reference_group
from yolo_plugins.study.tables.quantities import QUANTITIES, Quantity, costs, curves, of_source, performances
from yolo_plugins.study.tables.schema import EPOCHS, FITS, MODELS, RUNS, epochs_of_one_loss, is_drawable

_TEMPLATE = Path(__file__).parent / "templates" / "report.html.j2"


@dataclass(frozen=True)
class Report:
    """What the page shows.

    Attributes:
        title: Of the page.
        models: Of the schema MODELS.
        runs: Of the schema RUNS; None for figures from elsewhere.
        epochs: Of the schema EPOCHS; None likewise.
        fits: Of the schema FITS, with the headline's law of all models.
        x: Cost of the headline.
        y: Performance of the headline.
        group: Column that divides the models.
        front: Models that no other beats in the headline's cost and performance.
        verdict: What the models say of the paper's claims, a sentence each.
        notes: What was left out and why, a sentence each.
        figures: SVG files, shown in this order; a file's stem is its caption.
        commands: What made the page and its tables.
        environment: Machine and versions, by name.
        leave_one_out: What the law of the others predicts of each model, as `draw_leave_one_out` takes it.
        calibration: How often the intervals of these predictions hold, as `draw_calibration` takes it.
    """

    title: str
    models: pd.DataFrame
    runs: pd.DataFrame | None
    epochs: pd.DataFrame | None
    fits: pd.DataFrame
    x: str
    y: str
    group: str
    front: ParetoFront
    verdict: tuple[str, ...]
    notes: tuple[str, ...]
    figures: tuple[Path, ...]
    commands: tuple[str, ...]
    environment: dict[str, str]
    leave_one_out: pd.DataFrame | None = None
    calibration: pd.DataFrame | None = None


def write_report(path: str | Path, report: Report) -> None:
    """Writes the page, whole or not at all; opened from a disk without a network it shows everything.

    Args:
        path: The HTML file.
        report: What it shows.

    Raises:
        OSError: A figure cannot be read.
        UsageError: The disk is full.
    """
    write_page(
        path,
        _TEMPLATE,
        title=report.title,
        report=report,
        summary=_summary(report),
        costs=_titles(_present(report.models, costs())),
        performances=_titles(_present(report.models, performances())),
        curves=_titles(_curves(report)),
        checks=_checks(report),
        plots=_plots(report),
        models_table=_models_table(report),
        fits_table=_fits_table(_headline(report), "Laws of the headline"),
        all_fits_table=_fits_table(report.fits, "All laws"),
        runs_table=None if report.runs is None else _runs_table(report.runs, report.models),
        laws=_laws(report, drawn=True),
        family_laws=_laws(report, drawn=False),
        compared_law=group_title(_reference(report)),
        choice_of_performance=tell_choice(report.fits, report.x, _reference(report)),
        images=[(path.stem.replace("_", " "), data_uri(path.read_bytes(), "image/svg+xml")) for path in report.figures],
        sources=[(source, join_words(group["model"])) for source, group in report.models.groupby("source", sort=False)],
        downloads=_downloads(report),
    )


def _headline(report: Report) -> pd.DataFrame:
    return report.fits[(report.fits["x"] == report.x) & (report.fits["y"] == report.y)]


def _reference(report: Report) -> str:
    return reference_group(list(_headline(report)["group"]))


def _laws(report: Report, drawn: bool) -> list[tuple[str, str, tuple[str, ...]]]:
    """Title, law and caveats of the headline's groups: those drawn and all models, or the others."""
    fits = _headline(report)
    shown = {ALL, *drawn_groups(list(fits["group"]))}
    rows = _rows(fits[fits["group"].isin(shown) == drawn])
    return [(group_title(fit["group"]), tell_law(fit), tell_caveats(fit)) for fit in rows]


def _summary(report: Report) -> list[str]:
    """What was measured, what the study's lines say, and which models are best."""
    models, fits = report.models, _headline(report).set_index("group", drop=False)
    sizes = " and ".join(_span(models[row.column] * row.scale, row.spoken_unit) for row in of_source("counted"))
    runs = "" if report.runs is None else f", trained in {len(report.runs)} runs"
    laws = [f"Over {group_title(group)}, {tell_law(fits.loc[group])}" for group in drawn_groups(list(fits["group"]))]
    best = tell_best(models, report.front.names, report.x, report.y)
    return [f"{len(models)} models of {sizes} are compared{runs}.", *laws, best]


def _span(values: pd.Series, unit: str) -> str:
    return f"{plain(values.min())} to {plain(values.max())} {unit}"


def _present(frame: pd.DataFrame, quantities: dict[str, Quantity]) -> dict[str, Quantity]:
    """The quantities that some row has."""
    return {name: row for name, row in quantities.items() if row.column in frame and frame[row.column].notna().any()}


def _titles(quantities: dict[str, Quantity]) -> dict[str, str]:
    return {name: row.title for name, row in quantities.items()}


def _curves(report: Report) -> dict[str, Quantity]:
    """What some epoch has, by column."""
    found = {} if report.epochs is None else curves(report.epochs)
    return {name: row for name, row in found.items() if _present(_epochs_of(report, row), {name: row})}


def _epochs_of(report: Report, quantity: Quantity) -> pd.DataFrame:
    """The epochs that share the axes of a quantity."""
    assert report.epochs is not None
    return epochs_of_one_loss(report.epochs, report.models) if quantity.by_loss else report.epochs


def _plots(report: Report) -> dict[str, Any]:
    """Every plot that the page's script can draw: `scatter` by "x y", `curves` by column."""
    scatter = {}
    for x, y in itertools.product(_present(report.models, costs()), _present(report.models, performances())):
        drawn = report.models[is_drawable(report.models, x, y)]
        if not drawn.empty:
            front = front_of(drawn, x, y).names
            scatter[f"{x} {y}"] = draw_scatter(report.models, report.fits, x, y, front, report.group)
    lines = {column: draw_curves(_epochs_of(report, row), row) for column, row in _curves(report).items()}
    return {"scatter": scatter, "curves": lines, "checks": {check.name: check.figure for check in _checks(report)}}


@dataclass(frozen=True)
class _Check:
    """A chapter that tells how good the predictions are: a paragraph and a plot."""

    name: str
    paragraph: str
    label: str
    figure: dict[str, Any]


def _checks(report: Report) -> list[_Check]:
    predictions, shares, y = report.leave_one_out, report.calibration, report.y
    if predictions is None:
        return []
    styles = group_styles({*predictions["family"].astype(str), *_headline(report)["group"]})  # as in the scatter plot
    label = "Predicted against measured, with an interval for each model; the paragraph above sums it up"
    told, figure = tell_leave_one_out(predictions, y), draw_leave_one_out(predictions, y, styles)
    found = [_Check("Prediction", told, label, figure)]
    if shares is not None:
        told, figure = tell_calibration(shares, len(predictions)), draw_calibration(shares, len(predictions))
        found.append(_Check("Calibration", told, "Stated against true probability; the text above has both", figure))
    return found


def _models_table(report: Report) -> PageTable:
    """The models by falling performance, or by rising where less is better."""
    fits, front = _headline(report).set_index("group"), set(report.front.names)
    line, x, y = law_of(fits.loc[_reference(report)]), QUANTITIES[report.x], QUANTITIES[report.y]
    drawable = is_drawable(report.models, report.x, report.y)

    def above(model: pd.Series) -> Cell:
        expected = float(line.expected(model[x.column])) if drawable[model.name] else None
        return number(expected and model[report.y] / expected, ".3f")

    def performance(name: str) -> Callable[[pd.Series], Cell]:
        return lambda model: Cell(NONE, None) if pd.isna(model[name]) else Cell(tell_value(model, name), model[name])

    def scaled(row: Quantity) -> Callable[[pd.Series], Cell]:
        return lambda model: number(model[row.column] * row.scale, ".2f")

    several_sizes = len(report.models[["input_h", "input_w"]].drop_duplicates()) > 1
    columns: list[Column[pd.Series]] = [
        _text("model"),
        ("family", False, lambda model: word(group_title(model["family"]))),
        *([("input (px)", True, _input_size)] if several_sizes else []),
        *((row.heading, True, scaled(row)) for row in _present(report.models, costs()).values()),
        *((row.title, True, performance(name)) for name, row in _present(report.models, performances()).items()),
        (f"{y.title} / law", True, above),
        *([_text("loss")] if report.models.reindex(columns=["loss"])["loss"].nunique(dropna=False) > 1 else []),
        ("on the front", False, lambda model: word("yes" if model["model"] in front else "no")),
        *([_integer("seeds")] if report.models["seeds"].notna().any() else []),
    ]
    rows = report.models.sort_values(report.y, ascending=not y.larger_is_better)
    return page_table("Models", columns, _rows(rows))


def _fits_table(fits: pd.DataFrame, caption: str) -> PageTable:
    def interval(name: str) -> Callable[[pd.Series], Cell]:
        ends = f"{name}_low", f"{name}_high"

        def cell(fit: pd.Series) -> Cell:
            low, high = (fit[end] for end in ends)
            return Cell(NONE, None) if pd.isna(low) else Cell(f"{plain(low)} to {plain(high)}", low)

        return cell

    pair: list[Column[pd.Series]] = [
        ("performance", False, lambda fit: word(QUANTITIES[fit["y"]].title)),
        ("cost", False, lambda fit: word(QUANTITIES[fit["x"]].title)),
    ]
    columns: list[Column[pd.Series]] = [
        ("models", False, lambda fit: word(group_title(fit["group"]))),
        *(pair if len(fits[["x", "y"]].drop_duplicates()) > 1 else []),
        _integer("n"),
        ("exponent", True, lambda fit: number(fit["exponent"])),
        ("95 % t-interval", True, interval("exponent")),
        ("95 % bootstrap", True, interval("exponent_boot")),
        ("residual dof", True, lambda fit: number(fit["residual_dof"], ".0f")),
        ("r²", True, lambda fit: number(fit["r2"])),
        ("leave-one-out factor", True, lambda fit: number(math.exp(fit["loo_rms"]))),
        ("Theil-Sen", True, lambda fit: number(fit["theil_sen_exponent"])),
        ("upper exponent", True, lambda fit: number(fit["upper_exponent"])),
    ]
    return page_table(caption, columns, _rows(fits))


def _runs_table(runs: pd.DataFrame, models: pd.DataFrame) -> PageTable:
    names = ("device", "started", "git_commit", "torch")
    macs = models.set_index("model")["macs"]

    def knows_peak(run: pd.Series) -> bool:
        return is_known(run["device"], run["latency_precision"])

    def used(run: pd.Series) -> Cell:
        if not knows_peak(run):
            return Cell(NONE, None)
        where = run["device"], run["latency_precision"]
        return number(100 * utilization(run["images_per_second"], flops_of(macs[run["model"]]), *where), ".2f")

    def measured(row: Quantity) -> Column[pd.Series]:
        return row.title, True, lambda run: number(run[row.column], ".4f")

    columns: list[Column[pd.Series]] = [
        *(_text("model"), _integer("seed"), _integer("epochs")),
        ("training hours", True, lambda run: number(run["train_seconds"] / 3600)),
        *(measured(row) for row in _present(runs, performances()).values()),
        ("images/s", True, lambda run: number(run["images_per_second"], ".1f")),
        *([("% of the device's peak", True, used)] if runs.apply(knows_peak, axis=1).any() else []),
        *(_text(name) for name in names if runs[name].notna().any()),
    ]
    return page_table("Runs, with losses and scores of the last epoch", columns, _rows(runs))


def _rows(frame: pd.DataFrame) -> list[pd.Series]:
    return [row for _, row in frame.iterrows()]


def _text(name: str) -> Column[pd.Series]:
    return name, False, lambda row: word(row[name])


def _integer(name: str) -> Column[pd.Series]:
    return name, True, lambda row: number(row[name], ".0f")


def _input_size(model: pd.Series) -> Cell:
    return Cell(f"{model['input_h']} x {model['input_w']}", float(model["input_h"] * model["input_w"]))


def _downloads(report: Report) -> list[tuple[str, str]]:
    """(file name, data URI) of each table."""
    tables = ((MODELS, report.models), (RUNS, report.runs), (EPOCHS, report.epochs), (FITS, report.fits))
    return [
        (table.name, data_uri(format_table(frame, table).encode(), "text/csv"))
        for table, frame in tables
        if frame is not None
    ]
