"""A headless Chromium for tests of pages, where there is one."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_chromium = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium or no chromedriver on this machine")

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1280,900"),
)


def open_chromium(profile: Path) -> "webdriver.Chrome":
    """A browser whose console and network can be read; `profile` is a folder of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))


def find_all(browser, selector: str) -> list:
    return browser.find_elements("css selector", selector)


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def page_width(browser, page: Path, width: int, is_drawn: Callable[[], object]) -> int:
    """How wide a page becomes in a window of some width, pixels."""
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page.as_uri())
    wait_for(is_drawn)
    found = browser.execute_script("return document.documentElement.scrollWidth")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    return found


_NESTED = """
const leaves = "img button checkbox radio switch slider progressbar meter option tab menuitem".split(" ");
const parents = [...leaves.map((role) => `[role=${role}]`), "button", "a[href]", "label", "summary"].join(",");
const focusable = "a[href], button, input, select, textarea, summary, [tabindex]:not([tabindex='-1'])";
const nested = [...document.querySelectorAll(parents)].filter((parent) => parent.querySelector(focusable));
return nested.map((parent) => parent.outerHTML.slice(0, 120));
"""


def nested_controls(browser) -> list[str]:
    """Elements whose parts a screen reader does not reach although the keyboard does: a button within an image."""
    return browser.execute_script(_NESTED)
