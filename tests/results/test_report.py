"""What stands in the page of a test and of a comparison, against the figures and the scores themselves."""

import base64
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from html_page import Page
from made_tests import CLASSES, make_images, make_tested

from yolo_plugins.errors import UsageError
from yolo_plugins.evaluation.bootstrap import draw_resamples, interval, resampled_ap
from yolo_plugins.evaluation.errors_by_kind import KINDS
from yolo_plugins.results.report import write_comparison, write_report


@pytest.fixture(scope="module")
def folder(tested, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("report")
    write_report(tested, path, "yolo-plugins test <x>")
    return path


@pytest.fixture(scope="module")
def figures(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_text())


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def rows(page: Page) -> dict[str, list[str]]:
    """The cells of each row of the sortable tables, by its head."""
    table: dict[str, list[str]] = {}
    for tag, attributes, text in page.elements:
        if tag == "th" and "data-key" in attributes:
            table["".join(text)] = row = []
        elif tag == "td" and "data-key" in attributes:
            row.append("".join(text))
    return table


def test_figures_are_those_of_the_test(figures, tested):
    scores = tested.scores
    assert figures["scores"]["ap50"] == scores.ap50
    for k, (name, row) in enumerate(figures["classes"].items()):
        assert name == CLASSES[k]
        for key in ("ap50", "ap50_95", "recall"):
            expected = getattr(scores, f"{key}_per_class")[k]
            assert row[key] == (None if np.isnan(expected) else expected)
    assert figures["classes"]["unseen"]["ap50_low"] is None
    ap = resampled_ap(tested.matches, draw_resamples(len(tested.pictures), figures["resamples"]))
    low, high = interval(ap[:, 0, 0], scores.ap50_per_class[0])
    assert (figures["classes"]["cat"]["ap50_low"], figures["classes"]["cat"]["ap50_high"]) == (low, high)
    assert low < figures["classes"]["cat"]["ap50"] < high


def test_page_shows_the_figures_to_the_digit(figures, page):
    shown = rows(page)
    for name, row in {"mean": figures["scores"], **figures["classes"]}.items():
        for key in ("ap50", "ap50_95", "precision", "recall", "recall_max"):
            assert ("–" if row[key] is None else f"{row[key]:.4f}") in shown[name]
        if row["ap50"] is not None:
            assert f"{row['ap50_low']:.4f} to {row['ap50_high']:.4f}" in shown[name]
            keys = [attributes.get("data-key") for attributes, _ in page.all("td")]
            assert repr(row["ap50"]) in keys
    for kind in KINDS:
        counts = figures["errors"][kind]
        assert shown[kind][:4] == [str(sum(counts)), *map(str, counts)]
    words = page.words()
    assert f"AP50 is {figures['scores']['ap50']:.4f} (95 %: {figures['scores']['ap50_low']:.4f} to" in words
    assert f"{sum(figures['errors']['found'])} of {figures['objects']} objects are found" in words


def test_matrix_on_the_page_is_that_of_the_figures(figures, page):
    cells = [text for attributes, text in page.all("td") if "style" in attributes]
    expected = [count for row in figures["confusion"] for count in row][:-1]
    assert [int(cell or 0) for cell in cells] == expected


def test_curves_enclose_the_average_precision(folder, page, tested):
    data = next(body for attributes, body in page.all("script") if attributes.get("id") == "plots")
    traces = json.loads(data)["precision_recall"]["data"]
    assert len(traces) == 3
    for trace in traces:
        label = 1 if trace["name"].startswith("&lt;img") else CLASSES.index(trace["name"].split()[0])
        area = np.sum(np.diff(trace["x"]) * np.array(trace["y"])[1:])
        assert area == pytest.approx(tested.scores.ap50_per_class[label])


def test_worst_pictures_come_with_objects_and_detections(figures, page, tested):
    worst = figures["worst"]
    assert len(worst) == 20
    totals = [sum(picture["errors"].values()) for picture in worst]
    assert totals == sorted(totals, reverse=True)
    images = page.all("img")
    assert [attributes["alt"] for attributes, _ in images[:2]] == [
        f"{worst[0]['picture']}, {what}" for what in ("objects", "found")
    ]
    assert len(images) == 40
    data = {attributes["src"].removeprefix("data:image/jpeg;base64,") for attributes, _ in images}
    assert all(base64.b64decode(uri).startswith(b"\xff\xd8") for uri in data)
    kinds = {kind for picture in worst for kind in picture["errors"]}
    assert kinds <= set(KINDS)
    assert len(kinds) > 2


def test_names_are_text_and_nothing_is_asked_of_a_network(folder, page):
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "<img src=x" not in text
    assert page.all("h1")[0][1] == "Test of model <a>.pth"
    assert page.all("pre")[0][1] == "yolo-plugins test <x>"
    addresses = [attributes.get(name) for _, attributes, _ in page.elements for name in ("src", "href")]
    assert all(address.startswith(("data:", "#")) for address in addresses if address is not None)


def test_comparison_pairs_the_resamples(tested, better, tmp_path):
    write_comparison(better, tested, tmp_path, "command")
    figures = json.loads((tmp_path / "report.json").read_text())
    row = figures["comparison"]["ap50_95"]["mean"]
    assert row["difference"] == better.scores.ap50_95 - tested.scores.ap50_95 > 0
    assert 0 < row["low"] < row["difference"] < row["high"]
    assert row["probability"] == 1
    assert figures["comparison"]["ap50"]["classes"]["unseen"]["probability"] is None
    shown = rows(Page((tmp_path / "report.html").read_text(encoding="utf-8")))["mean"]
    assert shown[:3] == [f"{row['first']:.4f}", f"{row['second']:.4f}", f"{row['difference']:+.4f}"]
    first = figures["pictures"]["a_better"][0]
    assert sum(first["a"].values()) < sum(first["b"].values())
    assert len(json.loads((tmp_path / "detections_b.json").read_text())) == sum(
        len(image[5]) for image in tested.images
    )


def test_a_model_is_as_good_as_itself(tested, tmp_path):
    write_comparison(tested, dataclasses.replace(tested, name="copy"), tmp_path, "command")
    figures = json.loads((tmp_path / "report.json").read_text())
    for score in ("ap50", "ap50_95"):
        row = figures["comparison"][score]["mean"]
        assert (row["difference"], row["low"], row["high"], row["probability"]) == (0, 0, 0, 0.5)
    assert figures["pictures"] == {"a_better": [], "b_better": []}


def test_tests_that_say_different_things_are_not_compared(tested, pictures, tmp_path):
    images = list(tested.images)
    others = {
        "classes": dataclasses.replace(tested, classes=("a", "b", "c", "d")),
        "other pictures": make_tested(images[:-1], pictures[:-1]),
        "other pictures or objects": make_tested([images[1], images[1], *images[2:]], pictures),
        "mode is 'coco101'": make_tested(images, pictures, mode="coco101"),
    }
    for told, other in others.items():
        with pytest.raises(UsageError, match=told):
            write_comparison(tested, other, tmp_path, "command")
    assert not list(tmp_path.iterdir())


NOTHING = (np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
CASES = {
    "no objects": ([(*NOTHING, np.zeros(0, bool), *image[3:]) for image in make_images(6, 1, 2.0)], "has no objects"),
    "no detections": ([(*image[:3], *NOTHING, np.zeros(0)) for image in make_images(6, 1, 2.0)], "Nothing was found"),
    "one picture": (make_images(6, 1, 2.0)[3:4], "There is one picture"),
    "no boxes": ([(*NOTHING, np.zeros(0, bool), *NOTHING, np.zeros(0))] * 2, "has no objects"),
    "no pictures": ([], "has no objects"),
}


@pytest.mark.parametrize("case", CASES)
def test_page_of_poor_data_is_whole_and_says_so(case, pictures, tmp_path):
    images, told = CASES[case]
    write_report(make_tested(images, pictures[: len(images)]), tmp_path, "command")
    figures = json.loads((tmp_path / "report.json").read_text())
    assert told in " ".join(figures["notes"])
    words = Page((tmp_path / "report.html").read_text(encoding="utf-8")).words()
    assert told in words
    assert "nan" not in words


def test_a_picture_whose_file_is_gone_is_named_in_its_place(tested, tmp_path):
    gone = tuple(dataclasses.replace(picture, path=str(tmp_path / "gone.jpg")) for picture in tested.pictures)
    write_report(dataclasses.replace(tested, pictures=gone), tmp_path, "command")
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.all("img") == []
    assert f"cannot be shown: {tmp_path / 'gone.jpg'}" in page.words()
