"""Files of each format say what the network says, and which network it was."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_exports import pictures

from yolo_plugins.errors import UsageError
from yolo_plugins.export import FORMATS, Exportable, open_exported, write_exported
from yolo_plugins.export.formats.base import quiet
from yolo_plugins.models.deploy.compare import difference

RUN_HERE = ["onnx", "openvino", "torchscript", "torch_export"]
formats = pytest.mark.parametrize("name", RUN_HERE)


@torch.no_grad()
def differs(opened, network: Exportable, images: np.ndarray) -> float:
    return difference(list(map(torch.from_numpy, opened(images))), list(network(torch.from_numpy(images))))


@formats
def test_a_file_says_what_torch_says(network, metadata, reopened, name):
    opened = reopened(network, name)
    assert opened.metadata == metadata
    assert differs(opened, network, pictures(1)) <= 1e-4


@formats
def test_a_dynamic_file_takes_another_size_and_batch(network, reopened, name):
    opened = reopened(network, name, dynamic=True)
    for images in (pictures(1), pictures(3, (128, 64)), pictures(2, (64, 160))):
        assert differs(opened, network, images) <= 1e-4, images.shape


@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_int8_is_smaller_and_near(network, reopened, tmp_path, name):
    pytest.importorskip("nncf" if name == "openvino" else "onnxruntime")
    weights = ".bin" if name == "openvino" else ".onnx"
    reopened(network, name)
    opened = reopened(network, name, pictures(4), precision="int8")
    boxes, scores = opened(pictures(1))
    assert np.isfinite(boxes).all()
    assert scores.min() > 0
    assert scores.max() < 1
    assert Path(tmp_path, f"int8{weights}").stat().st_size < Path(tmp_path, f"f32{weights}").stat().st_size
    with torch.no_grad():
        expected = network(torch.from_numpy(pictures(1)))[1].flatten()
    assert torch.corrcoef(torch.stack((torch.from_numpy(scores).flatten(), expected)))[0, 1] > 0.8


_FREED_BY_A_THREAD = """
import gc, os, signal, sys, threading
from pathlib import Path
import numpy as np
from yolo_plugins.export import open_exported

gc.disable()
opened = [open_exported(Path(sys.argv[1]))]
opened[0](np.zeros((1, 3, 64, 96), np.uint8))
for free in (opened.clear, gc.collect):
    thread = threading.Thread(target=free)
    thread.start()
    thread.join()
signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
os.kill(os.getpid(), signal.SIGUSR1)
"""


@formats
def test_a_network_may_be_freed_by_another_thread(network, reopened, tmp_path, name):
    """OpenVINO would take the main thread's signal stack with it: the next signal kills without a word."""
    reopened(network, name)
    command = [sys.executable, "-c", _FREED_BY_A_THREAD, tmp_path / f"f32{FORMATS[name].suffix}"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "handled\n"), result.stderr


@pytest.mark.parametrize("name", [name for name in RUN_HERE if name != "openvino"])
def test_a_precision_that_a_format_has_not_is_one_line(network, reopened, name):
    with pytest.raises(UsageError, match=rf"^{name}: is not written in bf16 here; take openvino or tensorrt$"):
        reopened(network, name, precision="bf16")


@formats
def test_a_damaged_file_is_named(tmp_path, name):
    known = FORMATS[name]
    for package in known.packages:
        pytest.importorskip(package)
    path = tmp_path / f"cut{known.suffix}"
    path.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(UsageError, match=rf"^{path}: cannot be opened as {name} \([^\n]*\); export it again$"):
        open_exported(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"none\.torchscript: no such file; check the path$"):
        open_exported(tmp_path / "none.torchscript")


def test_another_suffix_is_told_which_there_are(tmp_path):
    with pytest.raises(UsageError, match=r"a\.pth: no exported file \(\.onnx, \.xml, .*\); export it by"):
        open_exported(tmp_path / "a.pth")


def test_a_missing_package_is_named_with_the_extra(network, metadata, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"^openvino: needs openvino: pip install 'yolo_plugins\[export\]'$"):
        write_exported(network, metadata, FORMATS["openvino"], tmp_path / "a.xml")


def test_int8_of_openvino_needs_nncf(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "nncf" else object())
    FORMATS["openvino"].require()
    with pytest.raises(UsageError, match=r"^openvino: needs nncf: "):
        FORMATS["openvino"].require("int8")


@pytest.mark.skipif(torch.cuda.is_available(), reason="here engines may be built")
def test_tensorrt_is_refused_without_a_gpu(network, metadata, tmp_path):
    pytest.importorskip("onnxscript")
    with pytest.raises(UsageError, match=r"^tensorrt: engines are built and run on a machine with an NVIDIA GPU"):
        write_exported(network, metadata, FORMATS["tensorrt"], tmp_path / "a.engine")
    assert list(tmp_path.iterdir()) == []


def test_an_exporter_is_told_to_report_nothing_and_its_harmless_warnings_are_left_out(monkeypatch):
    monkeypatch.setenv("CI", "no")
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    names = ("CI", "ORT_DISABLE_TELEMETRY")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quiet(lambda: warnings.warn("old", DeprecationWarning, stacklevel=1))
        assert quiet(lambda: [os.environ.get(name) for name in names]) == ["true", "1"]
    assert [os.environ.get(name) for name in names] == ["no", None]


def test_a_warning_of_an_exporter_that_may_matter_is_shown():
    with pytest.warns(UserWarning, match="a constant is baked in"):
        quiet(lambda: warnings.warn("a constant is baked in", stacklevel=1))
