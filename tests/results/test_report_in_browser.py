"""The pages of a test and of a comparison in headless Chromium: no error, no request, two widths, the plot."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_page import find_all, needs_chromium, nested_controls, open_chromium, page_width, wait_for, webdriver

from yolo_plugins.results.report import write_comparison, write_report

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def pages(tested, better, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    write_report(tested, folder / "one", "command")
    write_comparison(better, tested, folder / "two", "command")
    return {name: folder / name / "report.html" for name in ("one", "two")}


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator["webdriver.Chrome"]:
    driver = open_chromium(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.mark.parametrize("name", ["one", "two"])
@pytest.mark.parametrize("width", [1280, 390])
def test_page_fits_its_window_without_an_error_or_a_request(chromium, pages, name, width):
    for log in ("performance", "browser"):
        chromium.get_log(log)
    sign = ".plot .lines path" if name == "one" else "#pictures img"
    assert page_width(chromium, pages[name], width, lambda: find_all(chromium, sign)) <= width
    events = " ".join(entry["message"] for entry in chromium.get_log("performance"))
    assert pages[name].name in events
    assert '"url":"http' not in events
    assert chromium.get_log("browser") == []
    assert nested_controls(chromium) == []


def test_lines_of_the_plot_are_named_with_their_average_precision(chromium, pages, tested):
    chromium.get(pages["one"].as_uri())
    wait_for(lambda: find_all(chromium, ".plot .legendtext"))
    shown = {entry.text for entry in find_all(chromium, ".plot .legendtext")}
    scores = tested.scores.ap50_per_class
    assert shown == {f"{name} {scores[k]:.3f}" for k, name in enumerate(tested.classes) if name != "unseen"}


def test_drawn_pictures_are_decoded(chromium, pages):
    chromium.get(pages["two"].as_uri())
    wait_for(lambda: find_all(chromium, "#pictures img"))
    widths = chromium.execute_script("return [...document.images].map((image) => image.naturalWidth)")
    assert widths
    assert set(widths) == {160}


def test_table_is_sorted_by_its_head(chromium, pages, tested):
    chromium.get(pages["one"].as_uri())
    find_all(chromium, "#scores thead button")[1].click()
    first = find_all(chromium, "#scores tbody th")[0].text
    scores = {"mean": tested.scores.ap50, **dict(zip(tested.classes, tested.scores.ap50_per_class, strict=True))}
    assert first == min((name for name in scores if name != "unseen"), key=scores.__getitem__)
