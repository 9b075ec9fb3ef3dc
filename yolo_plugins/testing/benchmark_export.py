"""Configs with random weights through `export`: one table of whether every file says what torch says."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from yolo_plugins.cli import say
from yolo_plugins.config import load_config, read_config
from yolo_plugins.datasets.synthetic_voc import make_synthetic_voc
from yolo_plugins.export.report import Row, write_csv
from yolo_plugins.faults import explain
from yolo_plugins.files import REPO
from yolo_plugins.testing.exported import Wanted, export
from yolo_plugins.testing.random_detector import make_detector

_SECONDS = 3.0  # in which the forms of one detector are timed
# No square, in which height and width could be mixed up; multiples of every stride, small enough for every network.
_SMALL = ("img_size=(128, 256)", "test_dataloader.num_workers=0", "test_dataloader.dataset.cache_images=False")


def all_configs() -> list[str]:
    """Names of the configs of detectors that come with the package."""
    return [path.stem for path in sorted((REPO / "configs").glob("*.py")) if "model" in read_config(path)]


def benchmark_export(
    names: Sequence[str] | None,
    formats: Sequence[str],
    options: Sequence[str] = (),
    folder: Path | None = None,
    threads: int | None = None,
) -> tuple[list[Row], list[str]]:
    """Exports one config after the other and compares each file with torch; no file is kept.

    Args:
        names: Of configs, or paths; None for all that come with the package.
        formats: By name.
        options: Changes to each config.
        folder: For `export.csv`, which grows with each config, and the files of one, 6 GB for the largest; None writes
            no table.
        threads: As of `Wanted`.

    Returns:
        Rows of each detector and its files; what could not be exported, a sentence each.
    """
    names = all_configs() if names is None else names
    rows: list[Row] = []
    faults: list[str] = []
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names, 1):
        say(f"{number} of {len(names)}: {name}")
        with tempfile.TemporaryDirectory(dir=folder, prefix=".export") as made:
            try:
                found, told = _export(name, tuple(formats), (*_SMALL, *options), Path(made), threads)
            except Exception as error:
                fault = explain(error)
                if fault is None:
                    raise
                found, told = [], [fault]
        rows += [replace(row, file=Path(row.file).name) for row in found]
        faults += [f"{name}: {fault}" for fault in told]
        if folder:
            write_csv(rows, folder / "export.csv")
    return rows, faults


def _export(
    name: str, formats: tuple[str, ...], options: tuple[str, ...], folder: Path, threads: int | None
) -> tuple[list[Row], list[str]]:
    root = make_synthetic_voc(folder / "VOCdevkit", train=2, test=4, long_side_range=(160, 240))
    checkpoint, data = make_detector(load_config(name, options), sorted(root.rglob("*.jpg")), folder)
    return export(
        Wanted(checkpoint, formats, folder, name, options=options, data=data, threads=threads, seconds=_SECONDS)
    )
