"""Runs that are continued, or begun where one is: the state in checkpoints, recipes, pointers, folders."""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

from fuzz.cases import Input
from fuzz.inputs_checkpoints import changed

_RESUME = ("long.py", "--work-dir", "run", "--resume")
_NEEDS = ("VOCdevkit", "run")
_LAST = "run/epoch_2.pth"

_NO_EPOCH = (-5, 0, "x", 1e9, 1.5, None, math.nan, [2])
# What is wrong in the checkpoint that a run is continued from.
STATES: dict[str, Callable[[dict], object]] = {
    **{f"epoch {value!r}": (lambda content, value=value: content["meta"].update(epoch=value)) for value in _NO_EPOCH},
    **{
        f"iter {value!r}": (lambda content, value=value: content["meta"].update(iter=value))
        for value in (-5, "x", None, 1e9)
    },
    **{
        f"seed {value!r}": (lambda content, value=value: content["meta"].update(seed=value))
        for value in (-5, "x", 2**40, [])
    },
    "no epoch": lambda content: content["meta"].pop("epoch"),
    "no iter": lambda content: content["meta"].pop("iter"),
    "no seed": lambda content: content["meta"].pop("seed"),
    "meta is empty": lambda content: content.update(meta={}),
    "meta is nothing": lambda content: content.update(meta=None),
    "no meta": lambda content: content.pop("meta"),
    "no optimizer": lambda content: content.pop("optimizer"),
    "optimizer is nothing": lambda content: content.update(optimizer=None),
    "optimizer is a number": lambda content: content.update(optimizer=3),
    "optimizer is empty": lambda content: content.update(optimizer={}),
    "optimizer without groups": lambda content: content["optimizer"].pop("param_groups"),
    "optimizer of one group": lambda content: content["optimizer"].update(
        param_groups=content["optimizer"]["param_groups"][:1]
    ),
    "momentum nan": lambda content: _spoil(content["optimizer"]["state"]),
    "no hub": lambda content: content.pop("message_hub"),
    "hub is nothing": lambda content: content.update(message_hub=None),
    "hub is empty": lambda content: content.update(message_hub={}),
    "hub is a text": lambda content: content.update(message_hub="x"),
    "no average": lambda content: content.pop("ema_state_dict"),
    "average is nothing": lambda content: content.update(ema_state_dict=None),
    "average is empty": lambda content: content.update(ema_state_dict={}),
    "average nan": lambda content: _spoil(content["ema_state_dict"]),
    "weights nan": lambda content: _spoil(content["state_dict"]),
}


def _spoil(value: object) -> None:
    """Makes every floating-point tensor in nested dicts NaN, in place."""
    import torch

    if isinstance(value, dict):
        for item in value.values():
            _spoil(item)
    elif torch.is_tensor(value) and value.is_floating_point():
        value.fill_(math.nan)


def inputs() -> Iterator[Input]:
    """All inputs of this area."""
    for name, change in STATES.items():
        prepare, kept = changed(_LAST, change, _LAST), ("run/record.json",)
        if "iter" in name:  # it follows from the epoch, and is not read
            yield Input("train.py", f"resume: {name}", _RESUME, "accepted", prepare, goes_on, needs=_NEEDS)
            continue
        yield Input("train.py", f"resume: {name}", (*_RESUME, _LAST), prepare=prepare, needs=_NEEDS, keeps=kept)
        if name in ("average nan", "weights nan"):  # not sound: the one before it is taken
            expected = ("accepted", prepare, goes_on_from_the_first)
            yield Input("train.py", f"resume the latest: {name}", _RESUME, *expected, needs=_NEEDS)
    yield from _recipes()
    yield from _pointers()
    yield from _folders()


def _recipes() -> Iterator[Input]:
    options = (
        *(
            "train_dataloader.batch_size=8",
            "optim_wrapper.optimizer.lr=0.02",
            "optim_wrapper.optimizer.momentum=0.9",
            "img_size=96",
        ),
        *(
            "train_cfg.max_epochs=4",
            "train_dataloader.drop_last=True",
            "train_dataloader.dataset.splits=['VOC2007/train']",
        ),
        *(
            "default_hooks.ema=None",
            "optim_wrapper.amp=True",
            "train_dataloader.dataset.indices=4",
            "optim_wrapper.clip_grad=None",
        ),
        *("default_hooks.param_scheduler.final=0.5", "train_dataloader.dataset.pipeline.3.prob=0", "randomness.seed=7"),
        *(
            "train_dataloader.dataset.metainfo.classes=['bicycle','aeroplane']",
            "optim_wrapper.optimizer.weight_decay=0",
        ),
    )
    for option in options:
        yield Input(
            "train.py",
            f"resume another recipe: {option}",
            (*_RESUME, "--cfg-options", option),
            needs=_NEEDS,
            keeps=("run/record.json", _LAST),
        )
    for option in (*options[:5], "default_hooks.param_scheduler.final=0.5"):
        arguments = (*_RESUME, "--allow-changes", "--cfg-options", option)
        yield Input("train.py", f"resume with changes: {option}", arguments, "accepted", check=goes_on, needs=_NEEDS)
    for epochs in ("1", "2"):
        arguments = (*_RESUME, "--cfg-options", f"train_cfg.max_epochs={epochs}")
        yield Input(
            "train.py", f"resume to fewer epochs: {epochs}", arguments, needs=_NEEDS, keeps=("run/record.json",)
        )
    yield Input("train.py", "resume as it was", _RESUME, "accepted", check=goes_on, needs=_NEEDS)
    yield Input("train.py", "resume with another --seed", (*_RESUME, "--seed", "7"), needs=_NEEDS)
    yield Input("train.py", "resume with --amp", (*_RESUME, "--amp"), needs=_NEEDS)
    yield Input(
        "train.py", "--overwrite and --resume", (*_RESUME, "--overwrite"), needs=_NEEDS, keeps=("run/record.json",)
    )


def goes_on(folder: Path) -> str:
    """Whether a resumed run has all rows, each with a rate above zero that falls as `linear` does."""
    record = json.loads((folder / "run/record.json").read_text())
    rows = record["epochs"]
    if record["status"] != "complete" or [row["epoch"] for row in rows] != list(range(1, record["max_epochs"] + 1)):
        return f"status {record['status']}, rows {[row['epoch'] for row in rows]} of {record['max_epochs']}"
    rates = [row["lr"] for row in rows]
    return "" if min(rates) > 0 else f"rates {rates}"


def goes_on_from_the_first(folder: Path) -> str:
    """Whether the newest checkpoint was passed over, which was told, and the run went on from the one before it."""
    record = json.loads((folder / "run/record.json").read_text())
    if record["resumed_after"][-1:] != [1] or "epoch_2.pth" not in (folder / "stderr").read_text():
        return f"resumed after {record['resumed_after']}"
    return goes_on(folder)


def _pointers() -> Iterator[Input]:
    """`last_checkpoint` is not to be trusted: the newest sound epoch is taken and named."""
    contents = {
        "stale": b"run/epoch_9.pth",
        "older": b"run/epoch_1.pth",
        "empty": b"",
        "not text": b"\xff\xfe\x00",
        "a folder's": b"run",
    }
    contents["of another machine"] = b"/elsewhere/run/epoch_2.pth"
    for name, content in contents.items():

        def write(folder: Path, content: bytes = content) -> None:
            (folder / "run/last_checkpoint").write_bytes(content)

        yield Input("train.py", f"pointer {name}", _RESUME, "accepted", write, goes_on, needs=_NEEDS)
    yield Input("train.py", "pointer missing", _RESUME, "accepted", _removes("last_checkpoint"), goes_on, needs=_NEEDS)
    yield Input("train.py", "newest checkpoint cut", _RESUME, "either", _cut, goes_on, needs=_NEEDS)
    yield Input(
        "train.py", "newest checkpoint missing", _RESUME, "accepted", _removes("epoch_2.pth"), goes_on, needs=_NEEDS
    )
    yield Input(
        "train.py",
        "no checkpoint but a record",
        _RESUME,
        "refused",
        _removes("epoch_1.pth", "epoch_2.pth", "last_checkpoint"),
        needs=_NEEDS,
        keeps=("run/record.json",),
    )
    yield Input("train.py", "a killed run's draft", _RESUME, "accepted", _draft, goes_on, needs=_NEEDS)


def _removes(*names: str) -> Callable[[Path], None]:
    def remove(folder: Path) -> None:
        for name in names:
            (folder / "run" / name).unlink()

    return remove


def _cut(folder: Path) -> None:
    path = folder / _LAST
    path.write_bytes(path.read_bytes()[:-5000])


def _draft(folder: Path) -> None:
    (folder / "run/.epoch_3.pth.tmp").write_bytes(b"half")


def _folders() -> Iterator[Input]:
    kept = ("run/record.json", _LAST)
    new = ("long.py", "--work-dir", "run")
    yield Input("train.py", "a new run over another", new, needs=_NEEDS, keeps=kept)
    yield Input(
        "train.py",
        "a new run over another, overwritten",
        (*new, "--overwrite"),
        "accepted",
        check=goes_on,
        needs=_NEEDS,
    )
    yield Input("train.py", "a folder that another trains in", _RESUME, needs=_NEEDS, prelude="locked_run", keeps=kept)
    yield Input(
        "train.py",
        "a folder that another trains in, anew",
        (*new, "--overwrite"),
        needs=_NEEDS,
        prelude="locked_run",
        keeps=kept,
    )
    yield Input(
        "train.py", "resume in an empty folder", ("own.py", "--work-dir", "out", "--resume"), "either", needs=_NEEDS
    )
    for name in (
        "run",
        "run/best_ap50_epoch_1.pth",
        "run/record.json",
        "run/long.py",
        "run/epoch_9.pth",
        "",
        "VOCdevkit",
    ):
        yield Input("train.py", f"resume from {name!r}", (*_RESUME, name), needs=_NEEDS, keeps=kept)
    yield Input(
        "train.py",
        "resume from another folder",
        ("long.py", "--work-dir", "out", "--resume", _LAST),
        "either",
        needs=_NEEDS,
    )
    yield Input(
        "train.py",
        "resume of another model",
        ("yolov5_n_demo", "--work-dir", "run", "--resume"),
        needs=_NEEDS,
        keeps=kept,
    )
    yield Input(
        "train.py",
        "resume with load_from",
        (*_RESUME, "--cfg-options", "load_from=run/epoch_1.pth"),
        "either",
        needs=_NEEDS,
    )
    yield Input(
        "train.py",
        "fewer pictures than a batch",
        (
            "own.py",
            "--work-dir",
            "out",
            "--cfg-options",
            "train_dataloader.batch_size=64",
            "train_dataloader.drop_last=True",
        ),
        needs=_NEEDS,
    )
    yield Input(
        "train.py",
        "a training set of one picture",
        ("own.py", "--work-dir", "out", "--cfg-options", "train_dataloader.dataset.indices=1"),
        "either",
        needs=_NEEDS,
    )
    yield Input(
        "train.py",
        "a last batch of one",
        ("own.py", "--work-dir", "out", "--cfg-options", "train_dataloader.batch_size=7"),
        "either",
        needs=_NEEDS,
    )
    yield Input(
        "test.py",
        "a test set without objects",
        ("own.py", "run/best_ap50_epoch_1.pth", "--out", "m.json"),
        "accepted",
        _no_objects,
        _is_json,
        needs=_NEEDS,
    )


def _no_objects(folder: Path) -> None:
    import re

    for path in (folder / "VOCdevkit/VOC2007/Annotations").glob("*.xml"):
        path.write_text(re.sub(r"<object>.*</object>", "", path.read_text(), flags=re.DOTALL))


def _is_json(folder: Path) -> str:
    text = (folder / "m.json").read_text()
    return "" if "NaN" not in text and json.loads(text) else "the JSON holds NaN"
