"""The page of a recommendation in headless Chromium: drawn without an error, for every reader, wide as the window."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_page import find_all, needs_chromium, nested_controls, open_chromium, page_width, wait_for, webdriver

from yolo_plugins.costs.latency import Latency
from yolo_plugins.recommend.advice import Budget, advise
from yolo_plugins.recommend.cache import Measured
from yolo_plugins.recommend.page import write_report

pytestmark = needs_chromium
MILLISECONDS = {"small<b>": 1.0, "large": 4.0, "slower": 6.0, "too_slow": 20.0}


@pytest.fixture
def page(models, make_network, tmp_path: Path) -> Path:
    """Of networks of which two are on the front, one is not, and one does not fit."""
    params = dict(zip(MILLISECONDS, (1e6, 2e7, 1.5e7, 4e7), strict=True))
    networks = [make_network(name, params[name]) for name in MILLISECONDS]
    measured = {name: Measured(Latency(*[ms] * 5, 100), 1000, "2026-01-01") for name, ms in MILLISECONDS.items()}
    budget = Budget(10.0)
    write_report(
        tmp_path / "report.html", advise(networks, measured, models, budget), budget, "a CPU", models, "recommend"
    )
    return tmp_path / "report.html"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator["webdriver.Chrome"]:
    driver = open_chromium(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


def test_the_page_is_drawn_with_names_on_the_front_and_a_table_that_sorts(chromium, page):
    chromium.get_log("performance")
    chromium.get(page.as_uri())
    drawn = lambda: find_all(chromium, "#scatter .points path.point")  # noqa: E731
    wait_for(drawn)
    assert len(drawn()) == 4
    assert [text.text.strip() for text in find_all(chromium, "#scatter .textpoint")] == [
        "small<b>",
        "large",
        "too_slow",
    ]
    assert chromium.get_log("browser") == []
    assert '"url":"http' not in " ".join(entry["message"] for entry in chromium.get_log("performance"))
    assert nested_controls(chromium) == []
    heads = find_all(chromium, "#networks thead button")
    next(head for head in heads if head.text.startswith("ms")).click()
    assert [row.text for row in find_all(chromium, "#networks tbody th")] == list(MILLISECONDS)
    assert page_width(chromium, page, 390, drawn) == 390
    assert page_width(chromium, page, 1280, drawn) <= 1280
