"""Options of recommend.py, damaged folders of laws, and damaged figures in its cache."""

from collections.abc import Callable, Iterator
from pathlib import Path

from fuzz.cases import Input
from fuzz.inputs_data import damaged
from fuzz.inputs_tables import FILES

# One config is within the budget; those of the package are unlike the models, and their counts are in the cache.
RECOMMEND = ("--max-ms", "10000", "--max-params", "1e6", "--threads", "1", "--minutes", "1", "--fits", "fits")
RECOMMEND += ("--allow-mixed", "--out", "recommendation")
_BAD = {
    "--max-ms": ("0", "-1", "nan", "inf", "x", "", "1,5"),
    "--max-params": ("0", "nan", "x"),
    "--max-macs": ("-1", "inf"),
    "--max-mbytes": ("0", "x"),
    "--fits": ("nowhere", "own.py", "", "VOCdevkit", "."),
    "--x": ("foo", "latency", ""),
    "--y": ("foo", "macs", ""),
    "--runtime": ("tflite", "", "onnx"),
    "--precision": ("f16", "int8"),
    "--device": ("cuda", "foo", "cuda:99", "", "mps"),
    "--threads": ("0", "-1", "x", "100000"),
    "--minutes": ("0", "-1", "nan", "x"),
    "--search": ("nothing.*", "", "[", "timm"),
    "--sample": ("0", "-1", "x", "1.5"),
    "--seed": ("-1", "x"),
    "--out": ("own.py", "own.py/x", "/proc/x", ""),
    "--cfg-options": ("img_size=0", "bogus=1", "model.backbone=3"),
}
_FIGURES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "no JSON": lambda content: b"x" * 100,
    "null": lambda content: b"null",
    "a list": lambda content: b"[]",
    "latin-1": lambda content: b'{"value": "\xe4"}',
    "deep": lambda content: b"[" * 100_000,
    "other fields": lambda content: b'{"value": {"a": 1}}',
    "texts for numbers": lambda content: content.replace(b": 1", b': "a'),
}


def inputs() -> Iterator[Input]:
    """All inputs of this area."""
    yield Input("recommend.py", "sound", RECOMMEND, "accepted", check=_has_files, needs=("fits", "cache"))
    for option, values in _BAD.items():
        for value in values:
            yield Input(
                "recommend.py", f"{option} {value!r}", (*RECOMMEND, option, value), needs=("fits", "cache", "VOCdevkit")
            )
    for name in ("fits.csv", "models.csv"):
        for kind in ("empty", "blank", "header alone", "no header", "semicolons", "null bytes", "a row too short"):
            change = _rewritten(f"fits/{name}", FILES[kind])
            yield Input("recommend.py", f"{name}: {kind}", RECOMMEND, prepare=change, needs=("fits", "cache"))
        for seed in range(3):
            change = damaged(f"fits/{name}", seed)
            yield Input("recommend.py", f"damaged {name} {seed}", RECOMMEND, "either", change, needs=("fits", "cache"))
        yield Input("recommend.py", f"no {name}", RECOMMEND, prepare=_without(f"fits/{name}"), needs=("fits", "cache"))
    for kind, figures in _FIGURES.items():
        yield Input(
            *("recommend.py", f"figures: {kind}", RECOMMEND, "accepted"),
            prepare=_spoiled(figures),
            check=_passes_over,
            needs=("fits", "cache"),
        )


def _rewritten(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def _without(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def _spoiled(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    """A change to three of the figures that were kept."""

    def write(folder: Path) -> None:
        for path in sorted((folder / "cache/recommend").iterdir())[:3]:
            path.write_bytes(change(path.read_bytes()))

    return write


def _has_files(folder: Path) -> str:
    missing = {"recommend.csv", "report.html"} - {path.name for path in (folder / "recommendation").iterdir()}
    return f"not written: {', '.join(missing)}" if missing else ""


def _passes_over(folder: Path) -> str:
    told = (folder / "stdout").read_text().count("): passed over")
    return _has_files(folder) or ("" if told == 3 else f"{told} of 3 spoiled figures are told")
