"""What the pages say exists: linked files, commands, and the options given to them."""

import re
import runpy
import tomllib
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
PAGES = [REPO / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(
    (REPO / "docs").rglob("*.md")
)
EXAMPLES = {"configs/yolov5_s_screws.py"}  # what a reader would write

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))


@pages
def test_links_lead_to_files(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pages
def test_named_tools_and_configs_exist(page):
    named = set(re.findall(r"\b(?:tools|configs|requirements|tests)/[\w/.]+\.(?:py|sh|txt)\b", page.read_text()))
    assert [name for name in named - EXAMPLES if not (REPO / name).is_file()] == []


@pages
def test_options_in_commands_are_known_to_the_tool(page):
    shared = (REPO / "yolo_plugins" / "cli.py").read_text()
    for command, arguments in re.findall(r"yolo-plugins ([a-z][a-z-]+)([^`\n#]*)", page.read_text()):
        known = (REPO / f"yolo_plugins/commands/{command.replace('-', '_')}.py").read_text() + shared
        options = set(re.findall(r"--[a-z-]+", arguments)) - {"--help"}
        assert [option for option in options if f'"{option}"' not in known] == []


@pages
def test_make_targets_exist(page):
    makefile = (REPO / "Makefile").read_text()
    for target in re.findall(r"`make (\w+)", page.read_text()):
        assert f"\n{target}:" in makefile, target


def pages_in(navigation):
    """Paths below docs/ in a navigation, whose sections are tables."""
    for entry in navigation:
        if isinstance(entry, str):
            yield entry
        else:
            (below,) = entry.values()
            yield from pages_in([below] if isinstance(below, str) else below)


def test_each_page_of_the_site_is_in_its_navigation_once():
    navigation = tomllib.loads((REPO / "zensical.toml").read_text())["project"]["nav"]
    pages = [str(page.relative_to(REPO / "docs")) for page in (REPO / "docs").rglob("*.md")]
    assert sorted(pages_in(navigation)) == sorted(pages)


def test_each_picture_is_small_and_on_a_page():
    pictures = {path.name: path.stat().st_size for path in (REPO / "docs" / "pictures").iterdir()}
    text = "".join(page.read_text() for page in PAGES)
    shown = set(re.findall(r"(?:!\[[^]]+\]\(|src(?:set)?=\")[\w./]*pictures/([\w.]+)", text))
    assert set(pictures) == shown
    assert max(pictures.values()) <= 200_000


def test_the_picture_of_readme_is_what_its_script_draws(tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    pytest.importorskip("scipy")
    folder = REPO / "docs" / "pictures"
    if f"v{matplotlib.__version__}," not in (folder / "frontier_light.svg").read_text():
        pytest.skip("drawn by another version of matplotlib")
    runpy.run_path(str(REPO / "docs" / "readme_picture.py"))["main"](tmp_path)
    for name in ("frontier_light.svg", "frontier_dark.svg"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
