"""A page carries the plotting library that NOTICE names, and its licence."""

import hashlib
import re
from pathlib import Path

from yolo_plugins.pages.render import write_page

REPO = Path(__file__).resolve().parents[2]
LIBRARY = REPO / "yolo_plugins" / "pages" / "plotly" / "plotly-basic.min.js"


def test_library_is_the_published_file_that_notice_names():
    notice = (REPO / "NOTICE").read_text()
    assert str(LIBRARY.relative_to(REPO)) in notice
    assert hashlib.sha256(LIBRARY.read_bytes()).hexdigest() in notice
    version = re.search(r"plotly\.js \(basic - minified\) v(\S+)", LIBRARY.read_text(encoding="utf-8"))
    assert version is not None
    assert f"plotly.js {version[1]}," in notice
    assert "MIT License" in (LIBRARY.parent / "LICENSE").read_text()


def test_page_carries_the_library_with_its_licence(tmp_path):
    template = tmp_path / "kind.html.j2"
    template.write_text('{% extends "page.html.j2" %}')
    write_page(tmp_path / "page.html", template, title="<a>", plots={})
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert LIBRARY.read_text(encoding="utf-8") in text
    assert "Licensed under the MIT license" in text
    assert "<h1>&lt;a&gt;</h1>" in text


def test_plots_keep_six_digits_of_a_number(tmp_path):
    template = tmp_path / "kind.html.j2"
    template.write_text('{% extends "page.html.j2" %}')
    plots = {"one": {"x": [0.123456789, 12345678.9, 7, None], "y": (1e-9, "0.123456789")}}
    write_page(tmp_path / "page.html", template, title="a", plots=plots)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert '{"one": {"x": [0.123457, 12345700.0, 7, null], "y": [1e-09, "0.123456789"]}}' in text


def test_committed_reports_are_small_and_name_no_folder_of_a_machine():
    reports = [*(REPO / "docs/results").rglob("report.html")]
    assert reports
    for report in reports:
        assert report.stat().st_size <= 3_000_000, report
        assert not re.search(r"[\s\"](?:/tmp|/home|/root|/work)/", report.read_text(encoding="utf-8")), report
