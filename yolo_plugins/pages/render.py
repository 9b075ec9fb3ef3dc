"""A page is one file that holds its data, its plots and the plotting library, and asks no network.

The library is the basic bundle of plotly.js, which has all that is drawn here: with the whole one a page takes twice as
long to open.

templates/ holds what all pages share; each kind of page adds a template of its own. Names come from users, so
everything that enters a page is escaped.
"""

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from yolo_plugins.files import change_leaves, write_atomically

_SHARED = Path(__file__).parent / "templates"
_PLOTLY = Path(__file__).parent / "plotly" / "plotly-basic.min.js"


def write_page(path: str | Path, template: Path, **values: Any) -> None:
    """Writes a page, whole or not at all; opened from a disk without a network it shows everything.

    Args:
        path: The HTML file.
        template: Of this kind of page; it extends `page.html.j2`.
        values: What it shows.

    Raises:
        UsageError: The disk is full.
    """
    environment = Environment(
        loader=FileSystemLoader([template.parent, _SHARED]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["rounded"] = _rounded
    library = Markup(_PLOTLY.read_text(encoding="utf-8"))  # a script
    write_atomically(path, environment.get_template(template.name).render(plotly=library, **values).encode())


def _rounded(plots: Any) -> Any:
    """The numbers of plots to six digits, more than a screen can show; all of them would be half of its size."""
    return change_leaves(plots, lambda leaf: float(f"{leaf:.6g}") if isinstance(leaf, float) else leaf)


def data_uri(data: bytes, kind: str) -> str:
    """A file within the page.

    Args:
        data: Its content.
        kind: Its media type, as "image/png".
    """
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
