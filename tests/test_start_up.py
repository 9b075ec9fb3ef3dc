"""What is loaded before a command does its work: the packages that it needs, and no others."""

import json
import subprocess
import sys

import pytest

OF_CONFIGS = ("mmpretrain", "mmdet.models", "mmdet.datasets", "mmdet.apis", "timm")  # where a config names them
OF_ANALYSIS = ("pandas", "scipy", "matplotlib", "submitit")
OF_DETECTION = ("torchvision", "pycocotools")


def loaded(code: str, *names: str) -> list[str]:
    """Which of these modules a fresh interpreter has imported after it ran `code`."""
    watched = f"{code}\nimport json, sys; print('\\n' + json.dumps([name for name in {names} if name in sys.modules]))"
    run = subprocess.run([sys.executable, "-c", watched], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("module", ["models", "engine", "inference"])
def test_the_rooms_of_training_load_only_what_every_config_needs(module):
    code = f"import yolo_plugins.{module}"
    assert loaded(code, "torch", *OF_CONFIGS, *OF_ANALYSIS, *OF_DETECTION) == ["torch"]


def test_building_a_detector_of_ours_loads_no_other_library_of_models():
    build = (
        "from yolo_plugins.config import load_config; from yolo_plugins.registry import MODELS; "
        "MODELS.build(load_config('yolov5_n_voc').model)"
    )
    assert loaded(build, "yolo_plugins.models", *OF_CONFIGS, *OF_ANALYSIS, *OF_DETECTION) == ["yolo_plugins.models"]


@pytest.mark.parametrize("module", ["layouts", "synthetic_voc", "download_voc"])
def test_making_and_finding_pictures_needs_no_torch(module):
    assert loaded(f"import yolo_plugins.datasets.{module}", "torch", "mmengine", *OF_ANALYSIS) == []


@pytest.mark.parametrize(
    ("module", "idle"),
    [
        ("plan", ("pandas", "scipy", "matplotlib", "jinja2")),
        ("status", ("pandas", "scipy", "matplotlib", "jinja2")),
        ("model_choice", ("matplotlib", "jinja2")),
        ("frontier", ("mmengine",)),
    ],
)
def test_a_study_draws_only_for_its_report(module, idle):
    assert loaded(f"import yolo_plugins.study.{module}", "torch", *idle) == []


def test_the_status_of_a_study_is_told_without_torch(tmp_path):
    arguments = ["study.py", "study_demo", "--status", "--out", str(tmp_path)]
    code = f"import sys; sys.argv = {arguments}; from yolo_plugins.commands.study import main; main()"
    assert loaded(code, "torch", "pandas") == []
