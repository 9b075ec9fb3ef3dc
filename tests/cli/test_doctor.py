"""The command `doctor`, run from another directory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from yolo_plugins.versions import NO_TELEMETRY

REPO = Path(__file__).resolve().parents[2]


def run(folder, *arguments, **environment):
    path = os.pathsep.join(filter(None, (environment.pop("PYTHONPATH", ""), str(REPO))))
    return subprocess.run(
        [sys.executable, "-m", "yolo_plugins", "doctor", *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path} | environment,
        capture_output=True,
        text=True,
    )


def test_a_sound_installation_is_told_as_one_block(tmp_path, synthetic_voc):
    result = run(tmp_path, "--data", synthetic_voc)
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert all(line.startswith(("ok     ", "note   ", " " * 24)) for line in lines)
    names = {line[7:24].strip() for line in lines}
    assert names >= {"yolo_plugins", "Python", "CPU", "packages", "torch", "mmcv", "detector", "JPEG", "data"}
    assert list(tmp_path.iterdir()) == []


def test_broken_packages_are_lines_of_the_report_and_end_with_status_1(tmp_path):
    for name, text in {
        "torch": "raise ImportError('undefined symbol: ncclCommResume')",
        "timm": "import os; os._exit(3)",
        "cv2": "raise ImportError('libGL.so.1: cannot open shared object file')",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    result = run(tmp_path, "--json", PYTHONPATH=str(tmp_path))
    assert result.returncode == 1
    lines = json.loads(result.stdout)
    assert all(set(line) == {"state", "name", "text"} for line in lines)
    faults = {line["name"]: line["text"] for line in lines if line["state"] == "fault"}
    assert "undefined symbol" in faults["torch"] and "pip install --force-reinstall --no-deps torch" in faults["torch"]
    assert faults["timm"].startswith("ends its process with status 3; pip install")
    assert "opencv-python-headless" in faults["cv2"]
    assert {"CPU", "packages", "JPEG"} <= {line["name"] for line in lines}
    assert "Traceback" not in result.stderr
    told = sum(line["state"] == "fault" for line in lines)
    assert result.stderr.endswith(f"error: {told} fault(s), told above; mend them and run it again\n")


def test_pictures_that_are_not_there_are_a_fault(tmp_path):
    result = run(tmp_path, "--data", "nowhere")
    assert result.returncode == 1
    assert "fault  data             nowhere: " in result.stdout
    assert result.stderr == "error: 1 fault(s), told above; mend them and run it again\n"


def test_nothing_is_reported_to_the_makers_of_runtimes(tmp_path):
    """Their telemetry keeps an id of the user in the home folder; `recommend` asks them for their version, too."""
    for package in ("onnxruntime", "openvino", "nncf"):
        pytest.importorskip(package)
    environment = dict.fromkeys(NO_TELEMETRY, "") | {"HOME": str(tmp_path)}
    assert run(tmp_path, **environment).returncode == 0
    code = "from yolo_plugins.recommend.networks import Setting; print(Setting('onnxruntime', 'f32', 'cpu', 1))"
    environment |= {"PYTHONPATH": str(REPO)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=os.environ | environment, check=True)
    assert [path for path in tmp_path.rglob("*") if path.name in ("intel", "Microsoft")] == []
