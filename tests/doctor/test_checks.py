"""What each check finds: sound things, and broken ones with the remedy."""

import os
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement

from yolo_plugins import __version__
from yolo_plugins.doctor import all_checks, checks

REPO = Path(__file__).resolve().parents[2]


def look(name):
    """The lines of the checks of a name, of which faults alone may be raised."""
    return [line for check in all_checks() if check.name == name for line in check.look()]


def states(lines):
    return [(line.state, line.name) for line in lines]


def test_the_pythons_are_those_of_the_package():
    declared = re.findall(r"Python :: (3\.\d+)", (REPO / "setup.py").read_text())
    assert list(checks.PYTHONS) == declared


def test_a_check_has_a_remedy_and_can_be_sent_to_its_process():
    import pickle

    for check in all_checks(Path("data")):
        assert check.remedy
        assert pickle.loads(pickle.dumps(check)).name == check.name  # noqa: S301


def test_the_package_tells_its_version_and_commit(monkeypatch):
    monkeypatch.setattr(checks, "describe_git", lambda: {"commit": "0123456789abcdef", "dirty": True})
    assert look("yolo_plugins")[0].text.startswith(f"{__version__}, commit 0123456789 with changes, ")
    monkeypatch.setattr(checks, "describe_git", lambda: None)
    assert "commit" not in look("yolo_plugins")[0].text


@pytest.mark.parametrize(
    ("said", "state", "text"),
    [
        ('{sys.executable} -m yolo_plugins "$@"', "ok", "runs this package"),
        (
            "echo yolo-plugins 0.0.1 from /elsewhere",
            "note",
            "another installation (yolo-plugins 0.0.1 from /else",
        ),
        ("echo broken >&2; false", "note", "another installation (broken)"),
    ],
)
def test_another_installation_behind_the_command_is_told(monkeypatch, tmp_path, said, state, text):
    script = tmp_path / "yolo-plugins"
    script.write_text("#!/bin/sh\n" + said.replace("{sys.executable}", sys.executable) + "\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(REPO))
    (line,) = look("command")
    assert line.state == state
    assert text in line.text


def test_a_command_that_is_not_on_the_path_is_told(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert states(look("command")) == [("note", "command")]


def test_an_untested_python_and_system_are_notes(monkeypatch):
    assert look("Python")[1].state == "ok" if sys.platform == "linux" else "note"
    monkeypatch.setattr("platform.python_version", lambda: "3.15.0")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert [line.state for line in look("Python")] == ["note", "note"]


def test_a_full_disk_and_a_locked_cache_are_told_with_another_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("YOLO_PLUGINS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2**29))
    monkeypatch.setattr(os, "access", lambda path, mode: True)
    assert [line.text for line in look("disk")] == [
        f"{tmp_path}, 0.5 GiB free; make room, or work in another folder",
        f"{tmp_path / 'cache'}, 0.5 GiB free; make room, or set YOLO_PLUGINS_CACHE to another folder",
    ]
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert states(look("disk")) == [("fault", "work folder"), ("fault", "cache folder")]


def test_variables_are_told_without_their_secrets(monkeypatch):
    for name in list(os.environ):
        if name.startswith(checks._VARIABLES):
            monkeypatch.delenv(name)
    assert look("environment")[0].text == "no variable that changes what a command does"
    values = {"OMP_NUM_THREADS": "2", "HF_TOKEN": "abc", "MY_OWN": "1", "HF_ENDPOINT": "https://me:pw@host/x"}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    assert look("environment")[0].text == "HF_ENDPOINT=https://***@host/x, HF_TOKEN=***, OMP_NUM_THREADS=2"


def test_requirements_that_are_missing_too_old_or_of_another_name_are_told(monkeypatch):
    declared = {"": ["torch>=9", "numpy>=1", "opencv-python-headless>=99", "nowhere"], "export": ["onnx", "elsewhere"]}
    monkeypatch.setattr(checks, "_declared", lambda: {key: [*map(Requirement, of)] for key, of in declared.items()})
    monkeypatch.setattr(checks, "find_conflicts", lambda: ["a and b: pip uninstall b"])
    versions = {"torch": "2.0", "numpy": "2.2", "opencv-python-headless": "4.9", "onnx": "1.0"}

    def find_installed(name):
        return ("opencv-python" if "opencv" in name else name), versions.get(name)

    monkeypatch.setattr(checks, "find_installed", find_installed)
    assert [(line.state, line.name, line.text) for line in look("packages")] == [
        ("fault", "packages", "a and b: pip uninstall b"),
        ("fault", "torch", "2.0 does not do, >=9 does; pip install 'torch>=9'"),
        ("ok", "packages", "numpy 2.2, opencv-python 4.9"),
        ("fault", "packages", "not installed: nowhere; pip install 'nowhere'"),
        ("ok", "[export]", "onnx 1.0"),
        ("note", "[export]", "not installed: elsewhere; pip install 'yolo_plugins[export]'"),
    ]


def test_a_wheel_declares_what_a_checkout_does(monkeypatch, tmp_path):
    of_checkout = checks._declared()
    assert {"torch", "psutil"} <= {requirement.name for requirement in of_checkout[""]}
    stated = [f'{one}; extra == "{extra}"' if extra else str(one) for extra, of in of_checkout.items() for one in of]
    monkeypatch.setattr(checks, "__file__", str(tmp_path / "site-packages" / "yolo_plugins" / "doctor" / "checks.py"))
    monkeypatch.setattr(checks, "requires", lambda name: [*stated, 'pytest; extra == "dev"'])
    names = {extra: [one.name for one in of] for extra, of in checks._declared().items()}
    assert names == {extra: [one.name for one in of] for extra, of in of_checkout.items()}


def test_a_module_that_cannot_be_imported_is_a_fault_and_a_missing_one_is_not(monkeypatch, tmp_path):
    (tmp_path / "tensorrt.py").write_text("raise OSError('libnvinfer.so.10: cannot open')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(OSError, match="libnvinfer"):
        look("tensorrt")
    monkeypatch.setitem(checks._MODULES, "nowhere_at_all", "nowhere")
    assert look("nowhere_at_all") == []


def fake_cuda(monkeypatch, built, driver, error=None):
    import torch
    from torch.utils import collect_env

    def init():
        if error:
            raise error

    monkeypatch.setattr(torch.version, "cuda", built)
    monkeypatch.setattr(torch.cuda, "init", init)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(collect_env, "get_nvidia_driver_version", lambda run: driver)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.parametrize(
    ("built", "driver", "error", "state", "remedy"),
    [
        (None, None, AssertionError("Torch not compiled with CUDA enabled"), "note", "CUDA enabled"),
        (None, "580.1", AssertionError("Torch not compiled with CUDA enabled"), "note", "for a GPU install torch and"),
        ("13.0", None, RuntimeError("Found no NVIDIA driver"), "note", "no NVIDIA driver"),
        ("13.0", "450.1", RuntimeError("The NVIDIA driver is too old"), "fault", "mend the driver, or install torch"),
    ],
)
def test_a_gpu_that_torch_cannot_use_is_told_with_the_reason(monkeypatch, built, driver, error, state, remedy):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    fake_cuda(monkeypatch, built, driver, error)
    (line,) = [line for line in checks._devices() if line.name == "GPU"]
    assert line.state == state
    assert remedy in line.text


def test_gpus_that_are_hidden_are_no_fault(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    fake_cuda(monkeypatch, "13.0", "580.1", RuntimeError("No CUDA GPUs are available"))
    assert ("note", "GPU") in states(checks._devices())


def test_a_torchvision_of_another_kind_is_a_fault(monkeypatch):
    import torch
    import torchvision.ops

    assert states(checks._torchvision())[0] == ("ok", "torchvision")
    monkeypatch.setattr(torchvision.ops, "nms", lambda *_: torch.tensor([0, 1, 2]))
    (line, *_) = checks._torchvision()
    assert line.state == "fault"
    assert "install torch and torchvision together" in line.text


@pytest.mark.parametrize(("file", "text"), [("a/mmcv_ops.py", "those of torchvision"), ("a/_ext.so", "compiled")])
def test_whose_operators_mmcv_has_is_told(monkeypatch, file, text):
    import mmcv.ops  # noqa: F401

    monkeypatch.setitem(sys.modules, "mmcv._ext", SimpleNamespace(__file__=file))
    assert text in look("mmcv")[0].text


def test_a_detector_predicts_a_jpeg_is_read_and_a_figure_drawn():
    for name in ("detector", "JPEG", "matplotlib"):
        assert states(look(name))[0] == ("ok", name)


def test_a_decoder_with_other_colours_is_a_fault(monkeypatch):
    from yolo_plugins.datasets import images

    read = images.read_image
    monkeypatch.setattr(images, "read_image", lambda path: read(path)[..., ::-1])
    assert states(look("JPEG")) == [("fault", "JPEG")]


def test_pictures_are_verified_and_summed_up(synthetic_voc, tmp_path):
    root = shutil.copytree(synthetic_voc, tmp_path / "VOCdevkit")
    sound = list(checks._data(root))
    assert {line.state for line in sound} == {"ok"}
    assert any(line.text.startswith("VOC2007/test: 8 pictures, ") for line in sound)
    (root / "VOC2007/JPEGImages/000001.jpg").unlink()
    path = root / "VOC2012/Annotations/2012_000001.xml"
    path.write_text(re.sub(r"(<object>.*?</object>)", r"\1\1", path.read_text(), count=1, flags=re.DOTALL))
    found = {line.state: line.text for line in checks._data(root)}
    assert "fault(s), the first: " in found["fault"]
    assert "warning(s), the first: " in found["note"]
