"""Tables of a study for frontier.py, by hand and by seeded damage; laws for its predictions; mixed recipes."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from fuzz.cases import REPO, Input
from fuzz.inputs_data import damaged

_TABLES = ("tables/runs.csv", "tables/complexity.csv", "tables/epochs.csv")
_FRONTIER = (*_TABLES, "--y", "ap50", "--out", "out")
_PUBLISHED = REPO / "docs/results/published.csv"


def _cells(name: str, change: Callable[[list[dict[str, str]]], object]) -> Callable[[Path], None]:
    """A change to the rows of a table."""

    def write(folder: Path) -> None:
        path = folder / name
        rows = list(csv.DictReader(io.StringIO(path.read_text())))
        change(rows)
        names = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        path.write_text(text.getvalue())

    return write


def _set(column: str, value: str, row: int = 0) -> Callable[[list[dict[str, str]]], object]:
    return lambda rows: rows[row].update({column: value})


def _everywhere(column: str, value: str) -> Callable[[list[dict[str, str]]], object]:
    return lambda rows: [row.update({column: value}) for row in rows]


_BAD_CELLS = {
    "ap50": ("nan", "inf", "-0.1", "1.5", "x", "50%", "0,5", "1e999"),
    "train_loss": ("nan", "-1", "x", "inf"),
    "seed": ("-1", "x", "1.5", "", "99999999999999999999999"),
    "epochs": ("0", "-1", "x", ""),
    "input_h": ("0", "x", "", "-64"),
    "amp": ("maybe", "2", ""),
    "model": ("",),
    "train_seconds": ("nan", "-5", "x"),
    "config_sha256": ("",),
}
_BAD_COUNTS = {
    "params": ("0", "-5", "x", "nan", "", "1.5", "1e30"),
    "macs": ("0", "-5", "nan", "inf", ""),
    "form": ("", "x"),
}
# A CSV file as a whole: name -> its bytes from those of a sound one.
FILES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "blank": lambda content: b"\n\n",
    "header alone": lambda content: content.split(b"\n")[0] + b"\n",
    "no header": lambda content: content.split(b"\n", 1)[1],
    "semicolons": lambda content: content.replace(b",", b";"),
    "tabs": lambda content: content.replace(b",", b"\t"),
    "null bytes": lambda content: content.replace(b",", b",\x00", 1),
    "latin-1": lambda content: content[:-20] + "\u00e4".encode("latin-1") + content[-20:],
    "utf-16": lambda content: content.decode().encode("utf-16"),
    "a row too short": lambda content: content + b"model_9,1\n",
    "a row too long": lambda content: content.rstrip(b"\n") + b",1,2,3\n",
    "an open quote": lambda content: content + b'"model_9,1\n',
    "a row twice": lambda content: content + content.rstrip(b"\n").split(b"\n")[-1] + b"\n",
    "a column twice": lambda content: b",".join([b"model", b"model", *content.split(b",")[2:]]),
    "an unknown column": lambda content: content.replace(b",", b",bogus_", 1),
    "a picture": lambda content: bytes(range(256)),
    "json": lambda content: b'{"a": 1}',
    "html": lambda content: b"<html><body>404</body></html>",
    "one cell": lambda content: b"model\nx\n",
    "a huge cell": lambda content: content.replace(b"model_1", b"m" * 200_000),
}


def inputs() -> Iterator[Input]:
    """All inputs of this area."""
    for column, values in _BAD_CELLS.items():
        for value in values:
            yield _table(f"runs.csv {column}={value!r}", _cells(_TABLES[0], _set(column, value)))
    for column, values in _BAD_COUNTS.items():
        for value in values:
            yield _table(f"complexity.csv {column}={value!r}", _cells(_TABLES[1], _set(column, value)))
    for number, (name, change) in enumerate(FILES.items()):
        table = _TABLES[number % 3]
        yield _table(f"{Path(table).name}: {name}", _rewritten(table, change))
        yield _published(
            f"published.csv: {name}", lambda content, change=change: change(content.replace(b"yolov5s", b"model_1"))
        )
    yield from _sound()
    yield from _sources()
    yield from _options()
    yield from _laws()
    for seed in range(36):
        yield _table(f"damaged {Path(_TABLES[seed % 3]).name} {seed}", damaged(_TABLES[seed % 3], seed), "either")


def _table(
    name: str, prepare: Callable[[Path], object], expect: str = "refused", more: tuple[str, ...] = (), **further: object
) -> Input:
    return Input("frontier.py", name, (*_FRONTIER, *more), expect, prepare, needs=("tables",), **further)


def _rewritten(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def _published(name: str, change: Callable[[bytes], bytes], expect: str = "refused") -> Input:
    def write(folder: Path) -> None:
        (folder / "models.csv").write_bytes(change(_PUBLISHED.read_bytes()))

    return Input("frontier.py", name, ("models.csv", "--y", "ap50_95", "--out", "out"), expect, write)


def _report(folder: Path) -> str:
    """Whether the report is there and names no NaN as a number of the study."""
    fits = (folder / "out/fits.csv").read_text()
    page = (folder / "out/report.html").read_text()
    return "fits.csv holds nan" if ",nan," in fits.lower() else "" if len(page) > 10_000 else "the report is short"


def _sound() -> Iterator[Input]:
    """Scores at the ends of their range are left off logarithmic axes with a note; cells that look like formulas."""
    for value in ("0", "1", "0.0"):
        prepare = _cells(_TABLES[0], _set("ap50", value))
        yield _table(f"a score of {value}", prepare, "accepted", check=_report)
    yield _table("all scores 0", _cells(_TABLES[0], _everywhere("ap50", "0")), "refused")
    yield _table("all scores 1", _cells(_TABLES[0], _everywhere("ap50", "1")), "either")
    yield _table("all scores alike", _cells(_TABLES[0], _everywhere("ap50", "0.5")), "either")
    yield _table("all scores empty", _cells(_TABLES[0], _everywhere("ap50", "")), "refused")
    yield _table("all counts alike", _cells(_TABLES[1], _everywhere("macs", "5")), "refused")
    yield _table("two models", lambda folder: _first_rows(folder, 2), "refused")
    yield _table("one model", lambda folder: _first_rows(folder, 1), "refused")
    yield _table("a model without counts", _cells(_TABLES[1], lambda rows: rows.pop(0)), "either")
    yield _table("no model has counts", _cells(_TABLES[1], _everywhere("model", "x")), "refused")
    yield _table("another recipe", _cells(_TABLES[0], _recipe), "refused")
    yield _table("another recipe, allowed", _cells(_TABLES[0], _recipe), "accepted", ("--allow-mixed",), check=_report)
    yield Input(
        "frontier.py",
        "records of another recipe",
        ("study", "--y", "ap50", "--out", "out"),
        prepare=_mixed_records,
        needs=("study",),
    )
    yield Input(
        "frontier.py",
        "records of another recipe, allowed",
        ("study", "--y", "ap50", "--out", "out", "--allow-mixed"),
        "accepted",
        _mixed_records,
        _report,
        needs=("study",),
    )
    for name in (
        "=1+1",
        "-2",
        "@x",
        "+1",
        "<b>x</b>",
        "a&b",
        "my model",
        "$x_1$",
        "\\frac",
        "x" * 300,
        "\u6a21\u578b",
        "../x",
        "%s {0}",
    ):
        prepare = _renamed(name)
        yield _table(f"a model called {name[:20]!r}", prepare, "either", check=_no_formula)
    yield Input(
        "frontier.py", "five hundred models", ("models.csv", "--y", "ap50_95", "--out", "out"), "accepted", _many
    )


def _no_formula(folder: Path) -> str:
    """What a spreadsheet would take for a formula."""
    with (folder / "out/models.csv").open(newline="") as file:
        names = [row["model"] for row in csv.DictReader(file)]
    formulas = [name for name in names if name.startswith(("=", "+", "-", "@"))]
    return f"the cell {formulas[0]!r} is a formula" if formulas else _report(folder)


def _many(folder: Path) -> None:
    """The published models, twenty times, each time larger."""
    (folder / "models.csv").write_bytes(_PUBLISHED.read_bytes())
    again = list(csv.DictReader(io.StringIO(_PUBLISHED.read_text())))

    def multiply(rows: list[dict[str, str]]) -> None:
        for number in range(1, 1 + 500 // len(again)):
            for row in again:
                counts = {name: str(int(float(row[name]) * 1.07**number)) for name in ("params", "macs")}
                rows.append(row | counts | {"model": f"{row['model']}_{number}"})

    _cells("models.csv", multiply)(folder)


def _recipe(rows: list[dict[str, str]]) -> None:
    """Row 0 as trained under another protocol."""
    rows[0]["protocol_sha256" if "protocol_sha256" in rows[0] else "schedule"] = "f" * 64


def _first_rows(folder: Path, number: int) -> None:
    for name in _TABLES[:1]:
        lines = (folder / name).read_text().splitlines()
        (folder / name).write_text("\n".join(lines[: 1 + number]) + "\n")


def _renamed(name: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        for table in _TABLES:
            _cells(table, lambda rows: [row.update(model=name) for row in rows if row["model"] == "model_1"])(folder)

    return write


def _mixed_records(folder: Path) -> None:
    path = folder / "study/model_2_seed0/record.json"
    record = json.loads(path.read_text())
    if "protocol_sha256" in record:
        record["protocol_sha256"] = "f" * 64
    else:
        record["total_batch"] = 99
    path.write_text(json.dumps(record))


def _sources() -> Iterator[Input]:
    rest = ("--y", "ap50", "--out", "out")
    for sources in (
        *(
            ("nowhere",),
            ("nowhere.csv",),
            ("own.py",),
            ("tables",),
            ("",),
            ("study", _TABLES[0]),
            _TABLES[:1],
            _TABLES[1:2],
        ),
        *(
            (_TABLES[0], _TABLES[0]),
            (_TABLES[0], _TABLES[2]),
            ("fits/fits.csv",),
            ("fits/report.html",),
            ("fits/models.csv", _TABLES[0]),
        ),
    ):
        yield Input("frontier.py", f"sources {' '.join(sources)}", (*sources, *rest), needs=("tables", "study", "fits"))
    yield Input("frontier.py", "no source", rest)


def _options() -> Iterator[Input]:
    for arguments in (
        *(("--x", value) for value in ("foo", "", "ap50", "MACS")),
        *(("--y", value) for value in ("foo", "macs")),
        *(("--group", value) for value in ("foo", "", "ap50_sd")),
        *(("--out", value) for value in ("own.py", "own.py/x", "/proc/x", "tables/runs.csv")),
        ("--bogus",),
    ):
        yield Input("frontier.py", " ".join(arguments), (*_FRONTIER, *arguments), needs=("tables",))
    yield Input("frontier.py", "--x latency", (*_FRONTIER, "--x", "latency"), "either", needs=("tables",))


def _laws() -> Iterator[Input]:
    fits = ("--fits", "fits")
    for arguments in (
        *(("predict", name, *fits) for name in ("nowhere", "VOCdevkit", "", "study_voc", "own.pyc")),
        *(("predict", "own.py", "--fits", folder) for folder in ("nowhere", "own.py", "study", "")),
        *(
            ("predict", "own.py", *fits, option, value)
            for option, value in (("--x", "foo"), ("--y", "foo"), ("--x", "latency"))
        ),
        *(
            ("compare", *names, *fits)
            for names in (("own.py", "own.py"), ("model_1", "model_1"), ("model_1", "nowhere"), ("", "x"))
        ),
        *(("compare", "model_1", "model_2", "--fits", folder) for folder in ("nowhere", "own.py", "")),
        *(("budget", "study", "--want", value) for value in ("x", "0", "1", "-1", "nan", "inf", "")),
        *(("budget", "study", "--against", source) for source in ("nowhere", "own.py", "fits/models.csv", "")),
        *(("budget", source, "--want", "0.5") for source in ("nowhere", "own.py", "fits/models.csv", "")),
        *(("budget", "study", "--want", "0.5", *more) for more in (("--of", "x"), ("--y", "foo"), ("--model", "x"))),
        *(("forecast", source) for source in ("nowhere", "own.py", "fits/models.csv", "")),
        *(("forecast", "study", "--y", value) for value in ("foo", "macs", "")),
        *(("predict",), ("compare", "model_1"), ("predict", "own.py"), ("predictt", "own.py", *fits)),
    ):
        yield Input("frontier.py", " ".join(arguments), arguments, needs=("fits", "study"))
    predict, compare = ("predict", "own.py", *fits), ("compare", "model_1", "model_2", *fits)
    for name, change in (*list(FILES.items())[:9], ("a row too short", FILES["a row too short"])):
        yield Input(
            "frontier.py",
            f"predict, fits.csv: {name}",
            predict,
            prepare=_rewritten("fits/fits.csv", change),
            needs=("fits",),
        )
    for name in ("empty", "no header", "a column twice", "a row too short"):
        yield Input(
            "frontier.py",
            f"compare, models.csv: {name}",
            compare,
            prepare=_rewritten("fits/models.csv", FILES[name]),
            needs=("fits",),
        )
    for column, value in (
        ("x", "foo"),
        ("y", "foo"),
        ("exponent", "nan"),
        ("residual_sd", "-1"),
        ("n", "2"),
        ("coefficient", "0"),
        ("residual_dof", "0"),
        ("sum_squares_log_x", "0"),
        ("upper_tau", "2"),
        ("group", "x"),
    ):
        soft = "either" if column in ("sum_squares_log_x", "coefficient") else "refused"
        yield Input(
            "frontier.py",
            f"predict, fits.csv {column}={value}",
            predict,
            soft,
            _cells("fits/fits.csv", _everywhere(column, value)),
            needs=("fits",),
        )
    for seed in range(10):
        yield Input(
            "frontier.py",
            f"compare, damaged fits.csv {seed}",
            compare,
            "either",
            damaged("fits/fits.csv", seed),
            needs=("fits",),
        )
