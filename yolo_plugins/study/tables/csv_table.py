"""CSV files of declared columns, checked cell by cell on reading and on writing.

A file is UTF-8 with one header line. An empty cell is null; nothing else is. A column that may be null may also be left
out of a file. Numbers are written as they are, never rounded. A text that a spreadsheet would run as a formula has an
apostrophe before it, which reading takes off again.
"""

import csv
import difflib
import io
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from yolo_plugins.errors import UsageError
from yolo_plugins.files import write_atomically

DType = Literal["text", "int", "float", "bool"]
_PANDAS_TYPES: dict[tuple[DType, bool], str] = {  # (type, nullable) -> type in a frame
    **{("text", nullable): "str" for nullable in (False, True)},
    **{("float", nullable): "float64" for nullable in (False, True)},
    ("int", False): "int64",
    ("int", True): "Int64",
    ("bool", False): "bool",
    ("bool", True): "boolean",
}
_KINDS: dict[DType, str] = {
    "text": "a text",
    "int": "a whole number",
    "float": "a finite number",
    "bool": "True or False",
}
_BOOLS = {"true": True, "false": False}  # spreadsheets write them in capitals
_INT_LIMIT = 2**63  # of pandas' integers
_FORMULA = re.compile(r"'*[=+\-@\t\r]")  # so begins what spreadsheets run (OWASP, "CSV Injection"), quoted or not


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: In the header of the file.
        dtype: What a cell holds.
        unit: Of the number; empty for a number without one, and for text.
        meaning: One sentence for the data dictionary.
        nullable: Whether a cell may be empty.
        low: Smallest value allowed.
        high: Largest value allowed.
    """

    name: str
    dtype: DType
    unit: str
    meaning: str
    nullable: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Table:
    """A kind of CSV file.

    Attributes:
        name: Of the file, as a rule.
        meaning: What a row is.
        key: Names of the columns that together differ from row to row.
        columns: In the order of the file.
        more: What further columns a file may have: every one whose name begins with the name of this one.
    """

    name: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    more: Column | None = None

    @property
    def column_names(self) -> list[str]:
        """Names in the order of the file."""
        return [column.name for column in self.columns]

    def with_columns_of(self, names: Iterable[str]) -> "Table":
        """The same table with the further columns that it may have and that stand among these names."""
        if self.more is None:
            return self
        known = self.column_names
        found = [name for name in dict.fromkeys(names) if name not in known and name.startswith(self.more.name)]
        return replace(self, columns=(*self.columns, *(replace(self.more, name=name) for name in found)))

    def empty(self) -> pd.DataFrame:
        """A frame without rows, with every column in its type."""
        return _to_frame([], self.columns)


def read_table(path: str | Path, table: Table) -> pd.DataFrame:
    """Reads a CSV file and checks every cell.

    Returns:
        All columns of the table in its order: text as str, int as int64, or Int64 where it may be null, float as
        float64, bool as bool, or boolean where it may be null.

    Raises:
        UsageError: The file cannot be read, is empty, misses a column or has an unknown one, has a cell of another
            type, out of range, or null where it must not be, or two rows of one key.
    """
    return _parse(read_text(path), path, table)


def write_table(frame: pd.DataFrame, path: str | Path, table: Table) -> None:
    """Writes a CSV file, whole or not at all, after checking that `read_table` would accept it.

    Args:
        frame: At least the columns that may not be null, in any order and of any type that holds such values.
        path: The file.
        table: What the file is to be.

    Raises:
        UsageError: As `read_table`, lines counted as in the file to be; or the disk is full.
    """
    checked = _parse(format_table(frame, table), path, table)
    write_atomically(path, format_table(checked, table).encode())


def format_table(frame: pd.DataFrame, table: Table) -> str:
    """The text of a CSV file, unchecked.

    Args:
        frame: As for `write_table`.
        table: Tells which columns hold text.
    """
    texts = [column.name for column in table.columns if column.dtype == "text" and column.name in frame]
    quoted = frame.assign(**{name: frame[name].map(_quote, na_action="ignore") for name in texts})
    cells = quoted.astype(object).where(frame.notna(), "")
    return "".join(map(_format_line, [list(frame), *cells.itertuples(index=False)]))


def make_table(rows: Iterable[tuple[str, Mapping[str, Any]]], table: Table) -> pd.DataFrame:
    """A frame as `read_table` returns it, of rows that come from elsewhere.

    Args:
        rows: (what an error names, value by column) of each row; None is null, and so is a column left out.
        table: What the frame is to be; that no two rows share a key is the caller's to see to.

    Raises:
        UsageError: A value is of another type, out of range, or null where it must not be.
    """
    rows, checked = list(rows), []
    table = table.with_columns_of(name for _, values in rows for name in values)
    for where, values in rows:
        texts = {name: "" if value is None else str(value) for name, value in values.items()}
        checked.append(_parse_row(texts, where, table))
    return _to_frame(checked, table.columns)


def read_text(path: str | Path) -> str:
    """Text of a CSV file, without the mark that spreadsheets put before it.

    Raises:
        UsageError: It cannot be read, is not UTF-8, or is empty.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text in UTF-8"
        raise UsageError(f"{path}: cannot be read as a table ({reason}): give a CSV file") from error
    if not text.strip():
        raise UsageError(f"{path}: the file is empty: give a CSV file with a header and a row")
    return text


def _quote(text: Any) -> str:
    return f"'{text}" if _FORMULA.match(str(text)) else str(text)


def _unquote(text: str) -> str:
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _format_line(cells: Iterable[Any]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)  # ends in \r\n, so that a cell with either of them is put in quotes
    return line.getvalue().removesuffix("\r\n") + "\n"


def _parse(text: str, path: str | Path, table: Table) -> pd.DataFrame:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader)
        check_header(header, path, table)
        table = table.with_columns_of(header)
        texts = {column.name for column in table.columns if column.dtype == "text"}
        lines: dict[tuple[Any, ...], int] = {}  # key of a row -> its line
        rows = []
        for cells in reader:
            if cells:
                where = f"{path}, line {reader.line_num}"
                if len(cells) != len(header):
                    raise UsageError(f"{where}: {len(cells)} cells under {len(header)} columns: fix that line")
                pairs = zip(header, cells, strict=True)
                row = {name: _unquote(cell) if name in texts else cell for name, cell in pairs}
                rows.append(_parse_row(row, where, table))
                key = tuple(rows[-1][name] for name in table.key)
                first = lines.setdefault(key, reader.line_num)
                if first != reader.line_num:
                    same = ", ".join(f"{name}={value}" for name, value in zip(table.key, key, strict=True))
                    raise UsageError(f"{path}, lines {first} and {reader.line_num}: both have {same}: remove one")
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num}: {error}: fix that line") from error
    if not rows:
        raise UsageError(f"{path}: no row below the header: give at least one")
    return _to_frame(rows, table.columns)


def check_header(header: list[str], path: str | Path, table: Table) -> None:
    """Checks the names in the first line of a file.

    Raises:
        UsageError: A column is unknown, missing or there twice.
    """
    table = table.with_columns_of(header)
    names = table.column_names
    where = f"{path}, line 1"
    if len(header) == 1 and ";" in header[0]:
        raise UsageError(f"{where}: the cells are separated by semicolons: save it with commas")
    twice = next((name for index, name in enumerate(header) if name in header[:index]), None)
    if twice is not None:
        raise UsageError(f"{where}: column {twice!r} stands there twice: remove one")
    unknown = [name for name in header if name not in names]
    missing = [column.name for column in table.columns if not column.nullable and column.name not in header]
    if unknown:
        near = difflib.get_close_matches(unknown[0], names, 1)
        remedy = f"did you mean {near[0]!r}?" if near else f"its columns are {', '.join(names)}"
        raise UsageError(f"{where}: column {unknown[0]!r} is none of {table.name}; {remedy}")
    if missing:
        raise UsageError(f"{where}: no column {', '.join(map(repr, missing))}, which {table.name} needs: add it")


def _parse_row(texts: Mapping[str, str], where: str, table: Table) -> dict[str, Any]:
    return {column.name: _parse_cell(texts.get(column.name, ""), column, where) for column in table.columns}


def _parse_cell(text: str, column: Column, where: str) -> Any:
    """Value of a cell; None for an empty one."""
    where = f"{where}, column {column.name!r}"
    if not text:
        if column.nullable:
            return None
        raise UsageError(f"{where}: the cell is empty: give {_wanted(column)}")
    value = _convert(text, column.dtype)
    low = -math.inf if column.low is None else column.low
    high = math.inf if column.high is None else column.high
    if value is None or (column.dtype in ("int", "float") and not low <= value <= high):
        raise UsageError(f"{where}: {text!r} is not {_wanted(column)}")
    return value


def _convert(text: str, dtype: DType) -> Any:
    """The value that a text stands for; None if for none of that type. A whole number may be written as 3.0 or 7e6."""
    if dtype == "text":
        return text
    if dtype == "bool":
        return _BOOLS.get(text.lower())
    try:
        if dtype == "int" and text.strip().lstrip("+-").isdigit():  # all digits count, a float has but 16 of them
            number = int(text)
            return number if abs(number) < _INT_LIMIT else None
        value = float(text)
    except ValueError:
        return None
    if dtype == "float":
        return value if math.isfinite(value) else None
    return int(value) if value.is_integer() and abs(value) < _INT_LIMIT else None


def _wanted(column: Column) -> str:
    kind = _KINDS[column.dtype]
    unit = f" ({column.unit})" if column.unit else ""
    if column.low is not None and column.high is not None:
        return f"{kind} from {column.low:g} to {column.high:g}{unit}"
    bounds = [f" of {column.low:g} or more"] if column.low is not None else []
    bounds += [f" of {column.high:g} or less"] if column.high is not None else []
    return f"{kind}{''.join(bounds)}{unit}"


def _to_frame(rows: list[dict[str, Any]], columns: Iterable[Column]) -> pd.DataFrame:
    types = {column.name: _PANDAS_TYPES[column.dtype, column.nullable] for column in columns}
    return pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in types.items()})
