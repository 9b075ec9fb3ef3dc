"""Exported files that are none, damaged or of others end in one line, at each command that takes a file of weights."""

import sys
from pathlib import Path

import pytest

from yolo_plugins.commands import export, infer, test
from yolo_plugins.files import EXPORTED

for package in ("onnx", "onnxruntime", "openvino"):
    pytest.importorskip(package)

FOREIGN_XML = b'<?xml version="1.0"?><net name="x" version="11"><layers></layers><edges></edges></net>'
CONTENTS = {
    "empty": b"",
    "text": b"no network\n",
    "zip of nothing": b"PK\x05\x06" + bytes(18),
    "zip cut": b"PK\x03\x04" + bytes(80),
    "foreign xml": FOREIGN_XML,
    "length without text": b"\xff\xff\xff\x7f{}",
    "bytes": bytes(range(256)),
}
DOORS = {
    "test": (test, lambda file, folder: [file, "--work-dir", folder / "work"]),
    "infer": (infer, lambda file, folder: [folder, "--weights", file, "--out", folder / "out"]),
    "export": (export, lambda file, folder: [file, "--out", folder / "out"]),
}


def told(door: str, file: Path, monkeypatch, capsys) -> str:
    """The one line that a command ends in."""
    command, arguments = DOORS[door]
    monkeypatch.setattr(sys, "argv", [door, *map(str, arguments(file, file.parent))])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    return line


@pytest.fixture(params=EXPORTED.values())
def suffix(request) -> str:
    return request.param


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
@pytest.mark.parametrize("door", ["test", "infer"])
def test_what_is_no_network_is_named(door, content, suffix, tmp_path, monkeypatch, capsys):
    (tmp_path / "a.jpg").write_bytes(b"")
    file = tmp_path / f"bad{suffix}"
    file.write_bytes(content)
    assert told(door, file, monkeypatch, capsys).startswith(f"error: {file}: ")


def test_an_exported_file_is_not_exported_again(suffix, tmp_path, monkeypatch, capsys):
    file = tmp_path / f"any{suffix}"
    file.write_bytes(b"")
    line = told("export", file, monkeypatch, capsys)
    assert line == f"error: {file}: is exported already; give the checkpoint that it was made of"
