"""Tables that a reader of a page sorts by any column."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pandas as pd

NONE = "–"  # of a cell without a value


@dataclass(frozen=True)
class Cell:
    """A cell of a table: what it shows, and by what it is sorted (None goes last)."""

    text: str
    key: float | str | None


@dataclass(frozen=True)
class PageTable:
    """A sortable table: (label, whether its cells are numbers) of each column, and the rows."""

    caption: str
    columns: tuple[tuple[str, bool], ...]
    rows: tuple[tuple[Cell, ...], ...]


_Row = TypeVar("_Row")
Column = tuple[str, bool, Callable[[_Row], Cell]]  # label, whether a number, cell of a row


def page_table(caption: str, columns: Sequence[Column[_Row]], rows: Iterable[_Row]) -> PageTable:
    """A table with a line for each row."""
    cells = tuple(tuple(cell(row) for _, _, cell in columns) for row in rows)
    return PageTable(caption, tuple((label, numeric) for label, numeric, _ in columns), cells)


def word(value: Any) -> Cell:
    """A cell of text."""
    return Cell(NONE, None) if pd.isna(value) else Cell(str(value), str(value))


def number(value: Any, form: str = ".3g") -> Cell:
    """A cell that shows a number in a form and is sorted by all its digits."""
    return Cell(NONE, None) if pd.isna(value) else Cell(f"{value:{form}}", float(value))
