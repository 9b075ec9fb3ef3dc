"""Checkpoints that are none, are damaged, or are of another model; at each door by which a file becomes tensors."""

import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fuzz.cases import Input
from fuzz.inputs_data import damaged

_PICTURES = "VOCdevkit/VOC2007/JPEGImages"
_NEEDS = ("VOCdevkit", "best.pth", "run")
# Door -> (tool, arguments with the file `bad.pth`)
DOORS: dict[str, tuple[str, tuple[str, ...]]] = {
    "test": ("test.py", ("own.py", "bad.pth")),
    "test --deploy": ("test.py", ("own.py", "bad.pth", "--deploy")),
    "infer": ("infer.py", (_PICTURES, "--config", "own.py", "--weights", "bad.pth", "--out", "out")),
    "load_from": ("train.py", ("own.py", "--work-dir", "out", "--cfg-options", "load_from=bad.pth")),
    "weights": ("train.py", ("own.py", "--work-dir", "out", "--weights", "bad.pth")),
    "resume": ("train.py", ("long.py", "--work-dir", "run", "--resume", "bad.pth")),
    "init_cfg": ("train.py", ("init.py", "--work-dir", "out")),
    "yolov5": ("convert_weights.py", ("yolov5", "bad.pth", "out.pth")),
    "scaled_yolov4": ("convert_weights.py", ("scaled_yolov4", "bad.pth", "out.pth")),
}
_OWN_DOORS = ("test", "test --deploy", "infer", "load_from", "weights", "resume", "init_cfg")


class _Bomb:
    """Runs a command where it is unpickled."""

    def __reduce__(self) -> tuple:
        return os.system, ("touch ran",)


def _save(content: Any) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        import torch

        torch.save(content() if callable(content) else content, folder / "bad.pth")

    return write


def _bytes(content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / "bad.pth").write_bytes(content)


def _cut(share: float) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        content = (folder / "run/epoch_2.pth").read_bytes()
        (folder / "bad.pth").write_bytes(content[: int(share * len(content))])

    return write


def changed(name: str, change: Callable[[dict], object], target: str = "bad.pth") -> Callable[[Path], None]:
    """Writes a checkpoint of the base with a change to its content; its checksum, where it has one, is out of date."""

    def write(folder: Path) -> None:
        import torch

        content = torch.load(folder / name, weights_only=False)
        change(content)
        torch.save(content, folder / target)

    return write


def _first(change: Callable[[Any], Any]) -> Callable[[dict], None]:
    """A change to the first tensor of the weights."""

    def apply(content: dict) -> None:
        weights = content["state_dict"]
        name = next(iter(weights))
        weights[name] = change(weights[name])

    return apply


def _nan_weights(content: dict) -> None:
    content["state_dict"] = {name: value * float("nan") for name, value in content["state_dict"].items()}


# Not a checkpoint of anything.
FILES: dict[str, Callable[[Path], object]] = {
    "missing": lambda folder: None,
    "a folder": lambda folder: (folder / "bad.pth").mkdir(),
    "empty": _bytes(b""),
    "text": _bytes(b"no checkpoint\n"),
    "zeros": _bytes(bytes(4096)),
    "a zip of nothing": _bytes(b"PK\x05\x06" + bytes(18)),
    "a link to itself": lambda folder: (folder / "bad.pth").symlink_to("bad.pth"),
    "cut at a tenth": _cut(0.1),
    "cut at a half": _cut(0.5),
    "cut at the end": _cut(0.999),
    "a program": _save({"state_dict": _Bomb()}),
    "a program, bare": _bytes(pickle.dumps(_Bomb())),
    "a list": _save([1, 2]),
    "a number": _save(3),
    "nothing": _save(None),
    "an empty dict": _save({}),
    "texts": _save({"state_dict": {"a": "b"}}),
    "no weights": _save({"state_dict": {}}),
    "weights are a list": _save({"state_dict": [1]}),
    "weights are nothing": _save({"state_dict": None}),
    "keys are numbers": _save({1: 2}),
    "weights under numbers": _save({"state_dict": {1: 2}}),
}
# Of our model, but not as it was saved.
CHANGES: dict[str, Callable[[dict], object]] = {
    "nan weights": _nan_weights,
    "an infinite weight": _first(lambda weight: weight * float("inf")),
    "one weight missing": lambda content: content["state_dict"].popitem(),
    "one weight more": lambda content: content["state_dict"].update(bogus=next(iter(content["state_dict"].values()))),
    "another shape": _first(lambda weight: weight[:1]),
    "a text for a weight": _first(lambda weight: "x"),
    "nothing for a weight": _first(lambda weight: None),
    "a number for a weight": _first(lambda weight: 3),
    "whole numbers": _first(lambda weight: weight.int()),
    "complex numbers": _first(lambda weight: weight + 1j),
    "classes in another order": lambda content: content["meta"]["dataset_meta"].update(
        classes=("bicycle", "aeroplane")
    ),
    "other classes": lambda content: content["meta"]["dataset_meta"].update(classes=("screw", "nut")),
    "classes are a number": lambda content: content["meta"]["dataset_meta"].update(classes=3),
    "meta is a list": lambda content: content.update(meta=[1]),
    "anchors are a text": lambda content: content["meta"].update(anchors="x"),
    "anchors of one level": lambda content: content["meta"].update(anchors=[[[1.0, 2.0]]]),
    "anchors below zero": lambda content: content["meta"].update(anchors=[[[-1.0, 2.0]] * 3] * 3),
}


def inputs() -> Iterator[Input]:
    """All inputs of this area."""
    for number, (name, prepare) in enumerate(FILES.items()):
        for place, (door, (tool, arguments)) in enumerate(DOORS.items()):
            if place % 3 == number % 3 or "program" in name:  # a third of the doors each
                expect = "either" if (door, name) == ("init_cfg", "no weights") else "refused"
                yield Input(tool, f"{door}: {name}", arguments, expect, prepare, needs=_NEEDS)
    for door in _OWN_DOORS:
        tool, arguments = DOORS[door]
        yield Input(tool, f"{door}: a sound checkpoint", arguments, "accepted", _cut(1), needs=_NEEDS)
    for name, change in CHANGES.items():
        for door in _OWN_DOORS:
            tool, arguments = DOORS[door]
            soft = name in _SOFT or (door in ("load_from", "weights", "init_cfg") and "class" in name)
            soft |= door == "init_cfg" and (
                "shape" in name or "one weight" in name or "anchors" in name
            )  # takes what fits
            prepare = changed("run/epoch_2.pth", change)
            yield Input(tool, f"{door}: {name}", arguments, "either" if soft else "refused", prepare, needs=_NEEDS)
    for seed in range(24):
        door = _OWN_DOORS[seed % len(_OWN_DOORS)]
        tool, arguments = DOORS[door]
        yield Input(
            tool,
            f"{door}: one flipped byte {seed}",
            arguments,
            "either" if door != "resume" else "refused",
            _flipped(seed),
            needs=_NEEDS,
        )
    for seed in range(18):
        door = _OWN_DOORS[seed % len(_OWN_DOORS)]
        tool, arguments = DOORS[door]
        yield Input(tool, f"{door}: damaged {seed}", arguments, "either", _damaged(seed), needs=_NEEDS)
    yield from _darknet()
    for name in ("yolov5", "scaled_yolov4"):
        yield Input("convert_weights.py", f"{name}: a checkpoint of ours", (name, "best.pth", "out.pth"), needs=_NEEDS)
        yield Input(
            "convert_weights.py",
            f"{name}: bare tensors",
            (name, "bad.pth", "out.pth"),
            prepare=_save(_tensors),
            needs=_NEEDS,
        )
    yield Input("convert_weights.py", "unknown family", ("yolov9", "best.pth", "out.pth"), needs=_NEEDS)
    yield Input("convert_weights.py", "no family", ())
    yield Input("convert_weights.py", "darknet with one file", ("darknet", "best.pth", "out.pth"), needs=_NEEDS)


_FITS = ("shape", "one weight", "anchors")  # in the name of a change of which `init_cfg` takes what fits
_SOFT = {"whole numbers", "meta is a list"}  # copied into the model as they are


def _tensors() -> dict:
    import torch

    return {"model.0.conv.weight": torch.zeros(3), "model.1.x": torch.zeros(2, 2)}


def _flipped(seed: int) -> Callable[[Path], None]:
    """Flips one bit in the middle of the file, where the tensors lie."""

    def write(folder: Path) -> None:
        content = bytearray((folder / "run/epoch_2.pth").read_bytes())
        place = len(content) // 2 + 997 * seed
        content[place] ^= 1 << seed % 8
        (folder / "bad.pth").write_bytes(content)

    return write


def _damaged(seed: int) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "bad.pth").write_bytes((folder / "run/epoch_2.pth").read_bytes())
        damaged("bad.pth", seed)(folder)

    return write


_CFG = (
    "[net]\nwidth=64\nheight=64\nchannels=3\n\n[convolutional]\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=leaky\n"
)


def _darknet() -> Iterator[Input]:
    for name, cfg, weights in (
        ("empty", "", b""),
        ("text for weights", _CFG, b"no weights"),
        ("no weights", _CFG, bytes(20)),
        ("too many weights", _CFG, bytes(20 + 4 * 10_000)),
        ("cfg without sections", "width=3\n", bytes(200)),
        ("unknown section", "[bogus]\nx=1\n", bytes(200)),
        ("filters of nothing", _CFG.replace("filters=4", "filters=x"), bytes(200)),
        ("filters negative", _CFG.replace("filters=4", "filters=-4"), bytes(200)),
        ("no filters", _CFG.replace("filters=4\n", ""), bytes(200)),
        ("route to nothing", _CFG + "[route]\nlayers=99\n", bytes(2000)),
        ("route to itself", _CFG + "[route]\nlayers=x\n", bytes(2000)),
        ("size huge", _CFG.replace("size=3", "size=1000000"), bytes(200)),
        ("no equals sign", _CFG.replace("size=3", "size"), bytes(200)),
        ("not text", _CFG + "\udcff", bytes(200)),
    ):

        def write(folder: Path, cfg: str = cfg, weights: bytes = weights) -> None:
            (folder / "x.cfg").write_bytes(cfg.encode(errors="surrogateescape"))
            (folder / "x.weights").write_bytes(weights)

        yield Input(
            "convert_weights.py", f"darknet: {name}", ("darknet", "x.cfg", "x.weights", "out.pth"), prepare=write
        )
    yield Input("convert_weights.py", "darknet: no cfg", ("darknet", "x.cfg", "best.pth", "out.pth"), needs=_NEEDS)
