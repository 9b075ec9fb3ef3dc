"""Exported files that are none, are damaged, or of others; at each door, and wrong arguments of `export`."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from fuzz.cases import Input
from fuzz.inputs_data import damaged

_PICTURES = "VOCdevkit/VOC2007/JPEGImages"
_SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "torchscript": ".torchscript", "torch_export": ".pt2"}
_NEEDS = ("VOCdevkit", "best.pth", "exported")
# Door -> (tool, arguments after the file)
_DOORS: dict[str, Callable[[str], tuple[str, tuple[str, ...]]]] = {
    "test": lambda file: ("test.py", (file,)),
    "test with a config": lambda file: ("test.py", ("own.py", file)),
    "infer": lambda file: ("infer.py", (_PICTURES, "--weights", file, "--out", "out")),
    "export": lambda file: ("export.py", (file, "--no-test")),
    "load_from": lambda file: ("train.py", ("own.py", "--work-dir", "out", "--cfg-options", f"load_from={file}")),
}
_CONTENTS = {
    "empty": b"",
    "text": b"no network\n",
    "zeros": bytes(4096),
    "a zip of nothing": b"PK\x05\x06" + bytes(18),
    "xml of others": b'<?xml version="1.0"?><net name="x" version="11"><layers/><edges/></net>',
}


def inputs() -> Iterator[Input]:
    """All inputs of this area."""
    for name, content in _CONTENTS.items():
        for suffix in (*_SUFFIXES.values(), ".engine"):
            yield _at("test", f"bad{suffix}", name, _bytes(f"bad{suffix}", content))
    for suffix in _SUFFIXES.values():
        for door in _DOORS:
            yield _at(door, f"bad{suffix}", "missing")
            yield _at(door, f"bad{suffix}", "a folder", lambda folder, name=f"bad{suffix}": (folder / name).mkdir())
        file = f"exported/best{suffix}"
        for door in ("test", "test with a config", "infer"):
            yield _at(door, file, "sound", expect="accepted")
            yield _at(door, file, "cut", _cut(file))
        for seed in range(6):
            yield _at("test", file, f"damaged {seed}", damaged(file, seed), "either")
        yield _at("export", file, "sound")
    for seed in range(6):
        yield _at("test", "exported/best.xml", f"damaged weights {seed}", damaged("exported/best.bin", seed), "either")
    yield _at("test", "exported/best.xml", "no weights", lambda folder: (folder / "exported/best.bin").unlink())
    for key, value in _SAID.items():
        name = f"says {key}={json.dumps(value)[:30]}"
        yield _at("test", "exported/best.onnx", name, _says(key, value))
    yield from _arguments()


def _at(door: str, file: str, name: str, prepare: Callable | None = None, expect: str = "refused") -> Input:
    tool, arguments = _DOORS[door](file)
    return Input(tool, f"{door}: {file}: {name}", arguments, expect, prepare, needs=_NEEDS)


def _bytes(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def _cut(name: str) -> Callable[[Path], object]:
    def write(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return write


# What a file may not say of itself.
_SAID: dict[str, object] = {
    "names": [],
    "input_hw": [0, 64],
    "input_hw ": [64, 10**9],
    "levels": [[0, 3]],
    "levels ": [[8, 3]],
    "dynamic": "yes",
    "nms": True,
    "config": "import os\nos.system('touch ran')",
    "config ": "model = dict(type='os.system', command='touch ran')",
    "config  ": "",
    "selection": {"score_thr": 0.1},
}


def _says(key: str, value: object) -> Callable[[Path], None]:
    """Changes what an ONNX file says of itself."""

    def write(folder: Path) -> None:
        import onnx

        path = folder / "exported/best.onnx"
        model = onnx.load(path)
        (entry,) = [entry for entry in model.metadata_props if entry.key == "yolo_plugins"]
        entry.value = json.dumps(json.loads(entry.value) | {key.strip(): value})
        onnx.save(model, path)

    return write


def _arguments() -> Iterator[Input]:
    start = ("best.pth", "--no-test")
    for option, values in {
        "--format": ("foo", ""),
        "--precision": ("foo", "bf16", "int8"),
        "--img-size": ("0", "-64", "33", "x", "64 64 64", "100000000"),
        "--threads": ("0", "x", "100000"),
        "--out": ("best.pth", "/proc/x"),
        "--data": ("nowhere", "own.py"),
        "--classes": ("foo",),
        "--nms": ("--dynamic",),
    }.items():
        for value in values:
            arguments = (*start, option, *(value.split() or [""]))
            yield Input("export.py", f"{option} {value!r}", arguments, needs=_NEEDS)
    for arguments in ((), ("own.py",), ("best.pth", "best.pth"), ("nowhere.pth",), ("own.py", "VOCdevkit")):
        yield Input("export.py", f"of {' '.join(arguments)}", arguments, needs=_NEEDS)
    yield Input("export.py", "a sound checkpoint", ("best.pth", "--format", "torchscript"), "accepted", needs=_NEEDS)
