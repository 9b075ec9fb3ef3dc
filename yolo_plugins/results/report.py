"""The report of a test: a folder with one page, the figures that it shows, and the boxes in COCO's format."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from yolo_plugins.errors import UsageError
from yolo_plugins.evaluation.average_precision import SCORES
from yolo_plugins.evaluation.errors_by_kind import KINDS, SIZES
from yolo_plugins.evaluation.matching import Ints
from yolo_plugins.files import json_text, write_atomically
from yolo_plugins.pages.render import data_uri, write_page
from yolo_plugins.pages.table import NONE, Cell, Column, PageTable, number, page_table, word
from yolo_plugins.results.coco_files import DETECTIONS, write_detections, write_ground_truth
from yolo_plugins.results.collect import Tested
from yolo_plugins.results.pictures import Gallery, Shown
from yolo_plugins.results.plots import draw_precision_recall
from yolo_plugins.results.summary import (
    BOUNDED,
    compare,
    picture_errors,
    resample,
    summarize,
    tell_errors,
    verdicts_of,
    worst_pictures,
)

PAGE, FIGURES = "report.html", "report.json"
_TEMPLATES = Path(__file__).parent / "templates"
_WORST, _BEHIND = 20, 10  # pictures shown of one model, and of each side of a comparison
_WIDE = 25  # classes beyond which the confusion matrix is folded
_KINDS = {
    "objects": "what there is to find",
    "found": "objects that a detection is right about",
    "missed": "objects that no detection is right about, or wrong in class or place only",
    "background": "detections where there is no such object",
    "class": "detections on an object of another class",
    "place": "detections near an object of their class, but not on it",
    "twice": "detections on an object that a surer one has",
}


def write_results(tested: Sequence[Tested], folder: Path, command: str) -> None:
    """`write_report` of one test, `write_comparison` of two."""
    if len(tested) == 1:
        write_report(tested[0], folder, command)
    else:
        write_comparison(tested[0], tested[1], folder, command)


def write_report(tested: Tested, folder: Path, command: str) -> None:
    """Writes the report of one model: `report.html`, `report.json`, `detections.json`, `ground_truth.json`.

    Args:
        tested: What its test found.
        folder: Made where it is missing.
        command: What made it, told on the page.

    Raises:
        UsageError: The disk is full.
    """
    verdicts = verdicts_of(tested)
    errors = picture_errors(tested, verdicts)
    worst = worst_pictures(errors, _WORST)
    figures = summarize(tested, resample(tested), verdicts) | {
        "worst": [_row(tested, errors, index) for index in worst]
    }
    gallery = Gallery([(tested, verdicts)])
    shown = [gallery.show(index, _tell(errors[index]), ["found"]) for index in worst]
    write_ground_truth(tested, folder)
    write_detections(tested, folder / DETECTIONS)
    _write_figures(figures, folder)
    write_page(
        folder / PAGE,
        _TEMPLATES / "test.html.j2",
        title=f"Test of {tested.name}",
        figures=figures,
        summary=_summary(figures),
        scores_table=_scores_table(figures),
        errors_table=_errors_table(figures),
        confusion=_shaded(figures["confusion"]),
        wide=len(tested.classes) > _WIDE,
        shown=shown,
        command=command,
        downloads=_downloads(figures),
        plots={"precision_recall": draw_precision_recall(tested)},
    )


def write_comparison(first: Tested, second: Tested, folder: Path, command: str) -> None:
    """Writes the comparison of two models: as `write_report`, with `detections_a.json` and `detections_b.json`.

    Args:
        first: What the test of model A found.
        second: What that of model B found.
        folder: Made where it is missing.
        command: What made it, told on the page.

    Raises:
        UsageError: The two were not tested on the same pictures with the same objects and classes, or not by the same
            mode; or the disk is full.
    """
    check_comparable(first, second)
    models = [(tested, verdicts_of(tested)) for tested in (first, second)]
    resampled = resample(first), resample(second)
    errors = [picture_errors(*model) for model in models]
    balance = errors[1].sum(1) - errors[0].sum(1)  # how many more errors B has
    sides = {"a_better": _most(balance), "b_better": _most(-balance)}
    figures: dict[str, Any] = {
        name: summarize(tested, values, verdicts)
        for name, (tested, verdicts), values in zip("ab", models, resampled, strict=True)
    }
    figures["comparison"] = compare(first, second, resampled)
    figures["pictures"] = {
        name: [
            {"picture": first.pictures[index].img_id, "a": tell_errors(errors[0][index])}
            | {"b": tell_errors(errors[1][index])}
            for index in side
        ]
        for name, side in sides.items()
    }
    gallery = Gallery(models)
    write_ground_truth(first, folder)
    for name, tested in zip("ab", (first, second), strict=True):
        write_detections(tested, folder / f"detections_{name}.json")
    _write_figures(figures, folder)
    write_page(
        folder / PAGE,
        _TEMPLATES / "comparison.html.j2",
        title=f"{first.name} (A) and {second.name} (B)",
        figures=figures,
        summary=_compared_summary(figures),
        scores_tables=[_compared_table(figures, name) for name in figures["comparison"]],
        errors_table=_compared_errors(figures),
        sides=[
            (title, [_show_both(gallery, errors, index) for index in sides[name]])
            for name, title in (("a_better", "A makes fewer errors"), ("b_better", "B makes fewer errors"))
        ],
        command=command,
        downloads=_downloads(figures),
        plots={},
    )


def check_comparable(first: Tested, second: Tested) -> None:
    """Refuses two tests that do not say the same thing about the same pictures.

    Raises:
        UsageError: Their classes, pictures, objects or modes differ; says how they can be made the same.
    """
    remedy = "give both one test set, by --cfg-options or by one config before both"
    if first.classes != second.classes:
        raise UsageError(f"{second.name}: its classes are not those of {first.name}, in their order; {remedy}")
    if first.pictures != second.pictures or any(
        not np.array_equal(one, other)
        for images in zip(first.images, second.images, strict=True)
        for one, other in zip(images[0][:3], images[1][:3], strict=True)
    ):
        raise UsageError(f"{second.name}: was tested on other pictures or objects than {first.name}; {remedy}")
    if first.matches.mode != second.matches.mode:
        raise UsageError(
            f"{second.name}: its test_evaluator.mode is {second.matches.mode!r}, that of {first.name} "
            f"{first.matches.mode!r}; give both one by --cfg-options"
        )


# --- words


def _score(value: float, low: float, high: float) -> str:
    """As "0.6097 (95 %: 0.5512 to 0.6544)"."""
    if np.isnan(value):
        return "not defined"
    return f"{value:.4f}" + ("" if np.isnan(low) else f" (95 %: {low:.4f} to {high:.4f})")


def _summary(figures: dict[str, Any]) -> list[str]:
    scores, errors = figures["scores"], figures["errors"]
    told = [
        f"{SCORES[name]} is {_score(scores[name], scores[f'{name}_low'], scores[f'{name}_high'])}" for name in BOUNDED
    ]
    wrong = sum(sum(errors[kind]) for kind in KINDS[1:])
    return [
        f"{figures['pictures']} pictures hold {figures['objects']} objects of {len(figures['classes'])} classes. "
        f"{' and '.join(told)}.",
        f"{_from(figures)}, {sum(errors['found'])} of {figures['objects']} objects are found and {wrong} detections "
        "are wrong.",
        _speed(figures),
    ]


def _from(figures: dict[str, Any]) -> str:
    if np.isnan(figures["confidence"]):
        return "Of all detections, whatever their confidence"
    return f"From confidence {figures['confidence']:.3f} on, where the mean F1 of the classes is largest"


def _speed(figures: dict[str, Any]) -> str:
    speed = figures["speed"]
    return (
        f"The model takes {speed['milliseconds']:.3g} ms for a picture, in batches of {speed['batch_size']} on "
        f"{speed['device']}, from the picture in memory to its boxes."
    )


def _compared_summary(figures: dict[str, Any]) -> list[str]:
    sentences = []
    for name in BOUNDED:
        title, row = SCORES[name], figures["comparison"][name]["mean"]
        if np.isnan(row["difference"]):
            sentences.append(f"{title} is not defined.")
            continue
        sentences.append(
            f"{title} is {row['first']:.4f} for A and {row['second']:.4f} for B: a difference of "
            f"{row['difference']:+.4f} (95 %: {row['low']:+.4f} to {row['high']:+.4f}). A is better with probability "
            f"{row['probability']:.3f}."
        )
    sentences += [f"{name.upper()}: {_speed(figures[name])}" for name in "ab"]
    return sentences


def _tell(errors: Ints) -> str:
    """As "2 missed, 1 class"."""
    return ", ".join(f"{count} {kind}" for kind, count in tell_errors(errors).items()) or "no errors"


# --- tables


def _scores_table(figures: dict[str, Any]) -> PageTable:
    mean = {"objects": figures["objects"], "pictures": figures["pictures"], "found": figures["detections"]}
    rows = [("mean", mean | figures["scores"]), *figures["classes"].items()]

    def counted(key: str, title: str) -> Column[tuple[str, dict[str, Any]]]:
        return title, True, lambda row: number(row[1][key], "d")

    def scored(key: str, title: str) -> Column[tuple[str, dict[str, Any]]]:
        return title, True, lambda row: number(row[1][key], ".4f")

    def bounded(key: str) -> Column[tuple[str, dict[str, Any]]]:
        return "95 % interval", True, lambda row: _span(row[1][f"{key}_low"], row[1][f"{key}_high"], ".4f")

    columns = [
        ("class", False, lambda row: word(row[0])),
        *(scored("ap50", "AP50"), bounded("ap50"), scored("ap50_95", "AP50-95"), bounded("ap50_95")),
        *(counted("objects", "objects"), counted("pictures", "pictures"), counted("found", "detections")),
        *(scored("precision", "precision"), scored("recall", "recall"), scored("recall_max", "highest recall")),
    ]
    return page_table("Scores of each class", columns, rows)


def _span(low: float, high: float, form: str) -> Cell:
    return Cell(NONE, None) if np.isnan(low) else Cell(f"{low:{form}} to {high:{form}}", low)


def _errors_table(figures: dict[str, Any]) -> PageTable:
    def of_size(place: int) -> Column[tuple[str, str]]:
        return SIZES[place], True, lambda row: number(figures["errors"][row[0]][place], "d")

    columns = [
        ("kind", False, lambda row: word(row[0])),
        ("all", True, lambda row: number(sum(figures["errors"][row[0]]), "d")),
        *(of_size(place) for place in range(len(SIZES))),
        ("what it is", False, lambda row: word(row[1])),
    ]
    return page_table("Errors by kind and size", columns, list(_KINDS.items()))


def _compared_table(figures: dict[str, Any], score: str) -> PageTable:
    title, outcome = SCORES[score], figures["comparison"][score]
    rows = [("mean", figures["a"]["objects"], outcome["mean"])]
    rows += [(name, figures["a"]["classes"][name]["objects"], row) for name, row in outcome["classes"].items()]
    columns: list[Column[tuple[str, int, dict[str, float]]]] = [
        ("class", False, lambda row: word(row[0])),
        (f"{title} of A", True, lambda row: number(row[2]["first"], ".4f")),
        (f"{title} of B", True, lambda row: number(row[2]["second"], ".4f")),
        ("A minus B", True, lambda row: number(row[2]["difference"], "+.4f")),
        ("95 % interval", True, lambda row: _span(row[2]["low"], row[2]["high"], "+.4f")),
        ("probability that A is better", True, lambda row: number(row[2]["probability"], ".3f")),
        ("objects", True, lambda row: number(row[1], "d")),
    ]
    return page_table(f"{title} of both models", columns, rows)


def _compared_errors(figures: dict[str, Any]) -> PageTable:
    def of_model(name: str) -> Column[tuple[str, str]]:
        return name.upper(), True, lambda row: number(sum(figures[name]["errors"][row[0]]), "d")

    columns = [
        ("kind", False, lambda row: word(row[0])),
        *(of_model(name) for name in "ab"),
        ("what it is", False, lambda row: word(row[1])),
    ]
    return page_table("Errors by kind", columns, list(_KINDS.items()))


def _shaded(confusion: Sequence[Sequence[int]]) -> list[list[tuple[int, float]]]:
    """Each count with its share of its row, which shades its cell."""
    return [[(count, count / max(sum(row), 1)) for count in row] for row in confusion]


# --- pictures and files


def _row(tested: Tested, errors: Ints, index: int) -> dict[str, Any]:
    return {"picture": tested.pictures[index].img_id, "errors": tell_errors(errors[index])}


def _most(balance: Ints) -> list[int]:
    return worst_pictures(np.maximum(balance, 0)[:, None], _BEHIND)


def _show_both(gallery: Gallery, errors: Sequence[Ints], index: int) -> Shown:
    told = "; ".join(f"{name}: {_tell(table[index])}" for name, table in zip("AB", errors, strict=True))
    return gallery.show(index, told, ["found by A", "found by B"])


def _write_figures(figures: dict[str, Any], folder: Path) -> None:
    write_atomically(folder / FIGURES, (json_text(figures, indent=1) + "\n").encode())


def _downloads(figures: dict[str, Any]) -> list[tuple[str, str]]:
    return [(FIGURES, data_uri(json_text(figures, indent=1).encode(), "application/json"))]
