"""What became of an export: a row a file, as a table and as CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from yolo_plugins.files import write_atomically


@dataclass(frozen=True)
class Row:
    """One file beside the detector that it was made of.

    Attributes:
        format: By its name; `torch` is the detector itself.
        file: Its path.
        bytes: Of it and what belongs to it.
        precision: `f32`, `bf16` or `int8`.
        difference: Largest difference of an output from torch's, as a share of the output's largest magnitude.
        median_ms: Time of one picture in milliseconds.
        q1_ms: Lower quartile.
        q3_ms: Upper quartile.
        threads: Of the CPU.
        runtime: What ran it: `onnxruntime 1.32.0`.
        ap50: Average precision at an overlap of 0.5 on the test set; None without one.
        ap50_95: Mean over overlaps from 0.5 to 0.95.
    """

    format: str
    file: str
    bytes: int
    precision: str
    difference: float
    median_ms: float
    q1_ms: float
    q3_ms: float
    threads: int
    runtime: str
    ap50: float | None = None
    ap50_95: float | None = None


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Writes the rows; what was not measured is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [column.name for column in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    write_atomically(path, text.getvalue().encode())


def table(rows: Sequence[Row]) -> str:
    """The rows as text, a line each."""
    head = ("format", "file", "MB", "precision", "difference", "ms (quartiles)", "AP50", "AP50-95", "run by")
    lines = [head, *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    scores = ["-" if score is None else f"{score:.4f}" for score in (row.ap50, row.ap50_95)]
    return (
        row.format,
        Path(row.file).name,
        f"{row.bytes / 1e6:.1f}",
        row.precision,
        f"{row.difference:.1e}",
        f"{row.median_ms:.1f} ({row.q1_ms:.1f}-{row.q3_ms:.1f})",
        *scores,
        f"{row.runtime}, {row.threads} thread{'s' * (row.threads > 1)}",
    )
