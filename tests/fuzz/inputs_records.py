"""Records that are damaged: of a run that is continued, of complete runs that are collected, of a study."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from fuzz.cases import Input
from fuzz.inputs_data import damaged
from fuzz.inputs_resume import goes_on

_RESUME = ("long.py", "--work-dir", "run", "--resume")
_NEEDS = ("VOCdevkit", "run")


def _record(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        path = folder / "run/record.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return write


def _raw(content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / "run/record.json").write_bytes(content)


# Records that cannot be continued: kept aside or refused, never lost, never complete with missing rows.
RECORDS: dict[str, Callable[[Path], object]] = {
    "empty": _raw(b""),
    "text": _raw(b"no record"),
    "a list": _raw(b"[]"),
    "a number": _raw(b"3"),
    "not text": _raw(b"\xff\xfe"),
    "deep": _raw(b"[" * 100_000),
    "version 99": _record(lambda record: record.update(schema_version=99)),
    "version of text": _record(lambda record: record.update(schema_version="x")),
    "no epochs": _record(lambda record: record.pop("epochs")),
    "epochs are nothing": _record(lambda record: record.update(epochs=None)),
    "epochs are a dict": _record(lambda record: record.update(epochs={})),
    "epochs are empty": _record(lambda record: record.update(epochs=[])),
    "a row is a number": _record(lambda record: record["epochs"].append(3)),
    "a row is missing": _record(lambda record: record["epochs"].pop(0)),
    "a row twice": _record(lambda record: record["epochs"].append(record["epochs"][0])),
    "rows in another order": _record(lambda record: record["epochs"].reverse()),
    "row without lr": _record(lambda record: record["epochs"][0].pop("lr")),
    "row of text": _record(lambda record: record["epochs"][0].update(train_loss="x")),
    "epoch of text": _record(lambda record: record["epochs"][0].update(epoch="x")),
    "scores are nothing": _record(lambda record: record["epochs"][0].update(scores=None)),
    "losses are a list": _record(lambda record: record["epochs"][0].update(losses=[1])),
    "no started": _record(lambda record: record.pop("started")),
    "resumed_after is nothing": _record(lambda record: record.update(resumed_after=None)),
    "status of nothing": _record(lambda record: record.update(status=None)),
    "max_epochs of text": _record(lambda record: record.update(max_epochs="x")),
    "modules are a list": _record(lambda record: record.update(modules=[])),
    "complexity is a list": _record(lambda record: record.update(complexity=[])),
    "device is a text": _record(lambda record: record.update(device="cpu")),
    "versions are nothing": _record(lambda record: record.update(versions=None)),
    "seed of text": _record(lambda record: record.update(seed="x")),
    "summary is nothing": _record(lambda record: record.update(summary=None)),
    "input_hw of one": _record(lambda record: record.update(input_hw=[64])),
    "config_name is a number": _record(lambda record: record.update(config_name=3)),
}
_HARMLESS = {
    "status of nothing",
    "summary is nothing",
    "complexity is a list",
    "versions are nothing",
    "seed of text",
    "device is a text",
    "epochs are empty",  # nothing in it to be lost: the checkpoint has the rows
}
_HARMLESS |= {
    "modules are a list",
    "max_epochs of text",
    "input_hw of one",
    "config_name is a number",
}  # written anew by a resumed run


def inputs() -> Iterator[Input]:
    """All inputs of this area."""
    for number, (name, prepare) in enumerate(RECORDS.items()):
        keeps = () if name in _HARMLESS else ("run/record.json",)
        yield Input(
            "train.py", f"resume, record: {name}", _RESUME, "either", prepare, goes_on, needs=_NEEDS, keeps=keeps
        )
        complete = _in_study(prepare)
        # one row, as the complete record has, has one order
        expect = "either" if name in ("summary is nothing", "rows in another order") else "refused"
        yield Input(
            "analysis/collect_runs.py",
            f"record: {name}",
            ("study",),
            expect,
            complete,
            needs=("study", "run"),
            keeps=("study/model_0_seed0/record.json",),
        )
        if number % 3 == 0:
            arguments = ("study", "--y", "ap50", "--out", "out")
            yield Input("frontier.py", f"record: {name}", arguments, expect, complete, needs=("study", "run"))
    for seed in range(24):
        prepare = damaged("study/model_1_seed0/record.json", seed)
        yield Input(
            "analysis/collect_runs.py", f"damaged record {seed}", ("study",), "either", prepare, needs=("study",)
        )
    for name in ("nowhere", "own.py", "VOCdevkit"):
        yield Input("analysis/collect_runs.py", f"from {name!r}", (name,), needs=("VOCdevkit",))
    yield Input("analysis/collect_runs.py", "of a broken-off run", ("run",), needs=("run",))
    yield Input("analysis/collect_runs.py", "one folder twice", ("study", "study"), "either", needs=("study",))
    yield Input("analysis/collect_runs.py", "two runs of one seed", ("study",), prepare=_double, needs=("study",))
    for value in ("study", "own.py/x", "/proc/x"):
        yield Input("analysis/collect_runs.py", f"--out {value}", ("study", "--out", value), needs=("study",))
    yield Input(
        "analysis/collect_runs.py",
        "one file for two tables",
        ("study", "--out", "a.csv", "--epochs", "a.csv"),
        needs=("study",),
    )
    yield from _study()


def _in_study(prepare: Callable[[Path], object]) -> Callable[[Path], None]:
    """The same change to a complete record, as the first of a study."""

    def write(folder: Path) -> None:
        target = folder / "study/model_0_seed0/record.json"
        shutil.copyfile(target, folder / "run/record.json")
        prepare(folder)
        shutil.move(folder / "run/record.json", target)

    return write


def _double(folder: Path) -> None:
    shutil.copytree(folder / "study/model_0_seed0", folder / "study/again")


def _study() -> Iterator[Input]:
    """A study whose folder holds records of other recipes, or damaged ones."""
    arguments = ("sound.py", "--gpus", "0", "--out", "out", "--cfg-options", "img_size=64")

    def write(folder: Path, prepare: Callable[[Path], object]) -> None:
        (folder / "sound.py").write_text("runs = dict(yolov5_n_demo=[0])\n")
        prepare(folder)
        shutil.copytree(folder / "run", folder / "out/yolov5_n_demo_seed0")

    for name in (
        "empty",
        "text",
        "a list",
        "version 99",
        "no epochs",
        "epochs are nothing",
        "a row is a number",
        "row without lr",
    ):

        def prepare(folder: Path, name: str = name) -> None:
            write(folder, RECORDS[name])

        yield Input("study.py", f"record: {name}", arguments, prepare=prepare, needs=_NEEDS, prelude="no_jobs")
    yield Input(
        "study.py",
        "a run of another recipe",
        arguments,
        prepare=lambda folder: write(folder, lambda _: None),
        needs=_NEEDS,
        prelude="no_jobs",
    )
    yield Input(
        "study.py",
        "--status of nothing",
        ("sound.py", "--status", "--out", "nowhere"),
        "either",
        lambda folder: write(folder, lambda _: None),
        needs=_NEEDS,
        prelude="no_jobs",
    )
    yield Input(
        "study.py",
        "load_from of nothing",
        ("sound.py", "--gpus", "0", "--out", "new", "--cfg-options", "load_from=nowhere.pth"),
        prepare=lambda folder: write(folder, lambda _: None),
        needs=_NEEDS,
        prelude="no_jobs",
    )
