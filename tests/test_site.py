"""The documentation as a site: built strictly, every page within its window, nothing asked of a network."""

import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_page import find_all, needs_chromium, open_chromium, wait_for, webdriver

pytest.importorskip("zensical", reason="zensical is not installed (the extra `docs`)")

REPO = Path(__file__).resolve().parents[1]


def build(folder: Path, changes: dict[str, str]) -> subprocess.CompletedProcess:
    """Builds the site in a folder, with text added to some of its pages."""
    shutil.copy(REPO / "zensical.toml", folder)
    shutil.copytree(REPO / "docs", folder / "docs")
    (folder / "yolo_plugins").symlink_to(REPO / "yolo_plugins")
    for name, text in changes.items():
        with (folder / "docs" / name).open("a", encoding="utf-8") as page:
            page.write(text)
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the pages."""
    folder = tmp_path_factory.mktemp("checkout")
    result = build(folder, {})
    assert result.returncode == 0, result.stdout + result.stderr
    return folder / "site"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[a](nowhere.md)", "page does not exist"),
        ("[a](data.md#nowhere)", "anchor does not exist"),
        ("::: yolo_plugins.nowhere", "Could not collect 'yolo_plugins.nowhere'"),
    ],
)
def test_a_broken_reference_stops_the_build(tmp_path, text, fault):
    result = build(tmp_path, {"index.md": f"\n\n{text}\n"})
    assert result.returncode != 0
    assert fault in result.stdout + result.stderr


def pages(site: Path) -> list[Path]:
    """Every page of the site but the reports, which have tests of their own."""
    return [page for page in sorted(site.rglob("*.html")) if page.name not in ("404.html", "report.html")]


def test_each_page_becomes_one(site):
    sources = {path.relative_to(REPO / "docs").with_suffix("") for path in (REPO / "docs").rglob("*.md")}
    found = {page.relative_to(site).with_suffix("") for page in pages(site)}
    assert found == {path.with_name("index") if path.name == "README" else path for path in sources}


def test_reports_and_figures_are_part_of_it(site):
    files = [path for path in (REPO / "docs").rglob("*") if path.suffix in (".html", ".svg", ".png", ".csv", ".ipynb")]
    assert [path for path in files if not (site / path.relative_to(REPO / "docs")).is_file()] == []


def described(site: Path) -> set[str]:
    """Names of the objects that the reference describes, without their modules."""
    text = "".join(page.read_text(encoding="utf-8") for page in (site / "api").glob("*.html"))
    return {name.rpartition(".")[2] for name in re.findall(r'id="(yolo_plugins[\w.]*)"', text)}


def test_reference_has_every_public_name(site):
    text = "".join(page.read_text(encoding="utf-8") for page in (REPO / "docs" / "api").glob("*.md"))
    names = ["yolo_plugins", *re.findall(r"^::: (\S+)", text, re.MULTILINE)]
    packages = [name for name in names if Path(REPO, *name.split("."), "__init__.py").is_file()]
    modules = [importlib.import_module(package) for package in packages]
    public = {name for module in modules for name in getattr(module, "__all__", []) if callable(getattr(module, name))}
    assert {"Detector", "YOLOv5CSP", "open_exported", "check_backbone"} <= public
    assert sorted(public - described(site)) == []


_REGISTERED = """
import yolo_plugins.inference
from yolo_plugins import registry

made = []
for kind in registry.REGISTRIES:
    kind.import_from_location()
    made += kind.module_dict.values()
print()
print(*(one.__name__ for one in made if one.__module__.startswith("yolo_plugins.")))
"""


def test_reference_has_every_class_that_a_config_names(site):
    # in a fresh interpreter, as other tests import what registers more
    command = [sys.executable, "-c", _REGISTERED]
    told = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True).stdout
    names = set(told.splitlines()[-1].split())
    assert {"YOLODetector", "ExportedDetector", "RunRecordHook"} <= names
    assert sorted(names - described(site)) == []


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator["webdriver.Chrome"]:
    driver = open_chromium(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


def set_width(browser, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


@needs_chromium
def test_every_page_fits_its_window_without_an_error_or_a_request(chromium, site):
    for log in ("performance", "browser"):
        chromium.get_log(log)
    wide = []
    for page in pages(site):
        for width in (1280, 390):
            set_width(chromium, width)
            chromium.get(page.as_uri())
            found = chromium.execute_script("return document.documentElement.scrollWidth")
            if found > width:
                wide.append(f"{page.relative_to(site)}: {found} of {width}")
    assert wide == []
    assert chromium.get_log("browser") == []
    assert '"url":"http' not in " ".join(entry["message"] for entry in chromium.get_log("performance"))


_FAULTS = """
const tell = arguments[0];
axe.run({resultTypes: ["violations"]}).then(({violations}) => tell(violations
    .filter(({impact}) => impact === "serious" || impact === "critical")
    .map(({id, nodes}) => `${id}: ${nodes[0].html}`)));
"""


@needs_chromium
def test_nothing_serious_bars_a_reader_of_screens(chromium, site):
    axe = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed (the extra `dev`)")
    script = next(Path(axe.__file__).parent.rglob("axe.min.js")).read_text(encoding="utf-8")
    faults = {}
    for page in sorted(site.rglob("*.html")):
        chromium.get(page.as_uri())
        chromium.execute_script(script)
        if found := chromium.execute_async_script(_FAULTS):
            faults[str(page.relative_to(site))] = found
    assert faults == {}


_FOUND = """
const roots = [document, ...[...document.querySelectorAll("*")].map((element) => element.shadowRoot).filter(Boolean)];
return roots.flatMap((root) => [...root.querySelectorAll("a[role=option]")].map((link) => link.href));
"""


@needs_chromium
def test_search_finds_a_class_in_a_page_that_is_opened_from_a_folder(chromium, site):
    set_width(chromium, 1280)
    chromium.get((site / "index.html").as_uri())
    wait_for(lambda: find_all(chromium, ".md-search__button"))  # a script of the page makes it
    find_all(chromium, ".md-search__button")[0].click()
    wait_for(lambda: chromium.switch_to.active_element.tag_name not in ("body", "button"))
    chromium.switch_to.active_element.send_keys("YOLOv5PAFPN")
    wait_for(lambda: any("yolo_plugins.models.necks.YOLOv5PAFPN" in link for link in chromium.execute_script(_FOUND)))


@needs_chromium
def test_a_dark_page_is_dark(chromium, site):
    background = "return getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)"
    for scheme, is_right in (("dark", lambda light: max(light) < 60), ("light", lambda light: min(light) > 200)):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        chromium.get((site / "index.html").as_uri())
        assert is_right(chromium.execute_script(background))
