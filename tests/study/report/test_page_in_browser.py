"""The page in headless Chromium: no error, no request to a network, sorting, choices, hovering."""

import base64
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from browser_page import find_all, needs_chromium, nested_controls, open_chromium, page_width, wait_for, webdriver

from yolo_plugins.study.report.page import Report, write_report

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def page(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With all chapters."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    measured = report.models["ap50"]
    predictions = report.models[["model", "family"]].assign(
        measured=measured, predicted=0.9 * measured, low=0.8 * measured, high=measured, inside=True
    )
    shares = pd.DataFrame({"level": [0.5, 0.95], "covered": [0.6, 1.0]})
    write_report(path, dataclasses.replace(report, leave_one_out=predictions, calibration=shares))
    return path


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator["webdriver.Chrome"]:
    driver = open_chromium(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium: "webdriver.Chrome", page: Path) -> "webdriver.Chrome":
    """The page, freshly loaded and drawn."""
    chromium.get(page.as_uri())
    wait_for(lambda: find_all(chromium, "#scatter .points path.point") and find_all(chromium, "#curve2-plot .lines"))
    return chromium


def column(browser, number: int) -> list[str]:
    return [cell.text for cell in find_all(browser, f"#models tbody tr > :nth-child({number})")]


def test_page_loads_without_an_error_and_asks_nothing_but_itself(chromium, page):
    chromium.get_log("performance")
    chromium.get_log("browser")
    chromium.get(page.as_uri())
    wait_for(lambda: find_all(chromium, "#scatter .points path.point"))
    events = " ".join(entry["message"] for entry in chromium.get_log("performance"))
    assert page.name in events
    assert '"url":"http' not in events
    assert chromium.get_log("browser") == []


def test_browser_itself_refuses_a_request_to_a_network(browser):
    refused = browser.execute_async_script(
        "const done = arguments[0];"
        "document.addEventListener('securitypolicyviolation', (event) => done(event.violatedDirective));"
        "fetch('http://localhost:9/').catch(() => {});"
    )
    assert refused == "connect-src"
    browser.get_log("browser")


def test_no_control_stands_where_a_screen_reader_does_not_reach_it(browser):
    assert find_all(browser, "#scatter button"), "plotly draws buttons"
    assert nested_controls(browser) == []


def test_header_sorts_numbers_as_numbers_then_the_other_way_round(browser, models):
    button = find_all(browser, "#models thead button")[2]
    assert button.text.startswith("million parameters")
    ordered = [f"{params / 1e6:.2f}" for params in sorted(models["params"])]
    for direction, expected in (("ascending", ordered), ("descending", ordered[::-1])):
        button.click()
        assert column(browser, 3) == expected
        assert find_all(browser, "#models thead th")[2].get_attribute("aria-sort") == direction
    assert ordered != sorted(ordered), "as text they would be in another order"


def test_keyboard_sorts_too(browser, models):
    button = find_all(browser, "#models thead button")[0]
    button.send_keys("\ue007")  # Enter
    assert sorted(column(browser, 1)) == sorted(models["model"])
    assert find_all(browser, "#models thead th")[0].get_attribute("aria-sort") == "ascending"


def test_rows_without_a_value_stay_last_in_both_directions(browser):
    find_all(browser, "#fits details summary")[0].click()
    table = "#fits details"
    index = [button.text.split("\n")[0] for button in find_all(browser, f"{table} thead button")].index(
        "95 % bootstrap"
    )
    for _ in range(2):
        find_all(browser, f"{table} thead button")[index].click()
        cells = [cell.text for cell in find_all(browser, f"{table} tbody tr > :nth-child({index + 1})")]
        missing = cells.count("–")
        assert missing > 0
        assert cells[-missing:] == ["–"] * missing


def test_pointing_at_a_marker_shows_the_model(browser, models, untrusted):
    shown = set()
    for point in find_all(browser, "#scatter .points path.point"):
        webdriver.ActionChains(browser).move_to_element(point).perform()
        wait_for(lambda: find_all(browser, "#scatter .hoverlayer .hovertext"))
        shown.add(find_all(browser, "#scatter .hoverlayer .hovertext")[0].text.split("\n")[0])
    assert any(untrusted in text for text in shown)
    assert all(any(text.startswith(model) for text in shown) for model in models["model"])


def test_choice_of_cost_and_performance_redraws_the_plot(browser):
    find_all(browser, "#x option[value=params]")[0].click()
    find_all(browser, "#y option[value=recall]")[0].click()
    wait_for(lambda: find_all(browser, "#scatter .xtitle")[0].text == "parameters (millions)")
    assert find_all(browser, "#scatter .ytitle")[0].text == "recall at the maximum of F1"
    assert browser.get_log("browser") == []


def test_checks_of_the_predictions_are_drawn(browser, models):
    assert len(find_all(browser, "#Prediction-plot .points path.point")) == len(models)
    assert len(find_all(browser, "#Prediction-plot .errorbars path.yerror")) == len(models)
    assert len(find_all(browser, "#Calibration-plot .points path.point")) == 2


def test_paper_has_all_plots_whole_and_the_closed_tables(browser):
    """While it prints the browser asks for the size of the plots and shows what is closed; then all is as before."""
    widths = "return [...document.querySelectorAll('.plot .main-svg:first-child')].map((svg) => svg.clientWidth)"
    before = browser.execute_script(widths)
    browser.execute_script(f"addEventListener('beforeprint', () => {{ window.onPaper = (() => {{ {widths} }})(); }});")
    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert pdf.startswith(b"%PDF")
    assert browser.execute_script("return window.onPaper") == [900] * 5
    assert browser.execute_script(widths) == before
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    closed = "return document.querySelector('#fits details:not([open]) table').clientHeight"
    hidden = "return [...document.querySelectorAll('main > section')].filter((part) => !part.clientHeight).length"
    heights = browser.execute_script(closed), browser.execute_script(hidden)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert heights[0] > 100
    assert heights[1] == 0


def test_phone_shows_the_page_without_scrolling_sideways(browser, page):
    drawn = lambda: find_all(browser, "#scatter .points path.point")  # noqa: E731
    assert page_width(browser, page, 400, drawn) == 400
