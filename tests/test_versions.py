"""Known conflicts among the installed versions are warned of, with the remedy; everything else is left alone."""

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from packaging.version import Version

from yolo_plugins import versions

PROVEN = {"torch": "2.11.0", "onedl-mmengine": "0.10.12", "onedl-mmcv": "2.3.6", "onedl-mmdetection": "3.5.1"}


def conflicts(installed: dict[str, str]) -> list[str]:
    return versions.find_conflicts(lambda name: Version(installed[name]) if name in installed else None)


@pytest.mark.parametrize("changes", [{}, {"torch": "9.0"}, {"onedl-mmcv": "99.0", "onedl-mmdetection": "99.0"}])
def test_proven_and_future_versions_pass_without_a_word(changes):
    assert conflicts(PROVEN | changes) == []


def test_original_releases_of_their_time_pass_without_a_word():
    assert conflicts({"torch": "2.1.0", "mmengine": "0.10.4", "mmcv": "2.1.0", "mmdet": "3.3.0"}) == []


@pytest.mark.parametrize(
    ("installed", "sentence"),
    [
        (PROVEN | {"mmengine": "0.10.7"}, "mmengine 0.10.7 and onedl-mmengine are both installed"),
        ({"torch": "2.11.0", "mmengine": "0.10.7"}, "cannot read its own checkpoints with torch 2.11.0"),
        ({"torch": "2.4.0", "mmdet": "3.3.0", "mmcv": "2.2.0"}, "mmdet 3.3.0 refuses mmcv 2.2.0"),
    ],
)
def test_conflict_is_named_with_the_remedy(installed, sentence):
    found = conflicts(installed)
    assert any(sentence in line for line in found)
    assert all("pip install onedl-mmengine" in line for line in found)


def test_conflicts_are_warned_of(monkeypatch):
    monkeypatch.setattr(versions, "find_conflicts", lambda: ["a and b do not work together; install c"])
    with pytest.warns(UserWarning, match="install c"):
        versions.warn_of_conflicts()


def test_git_is_unknown_outside_of_a_checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(versions, "__file__", str(tmp_path / "__init__.py"))
    assert versions.describe_git() is None


def test_a_distribution_is_found_under_its_other_names(monkeypatch):
    def version(name):
        if name not in ("mmdet", "opencv-contrib-python"):
            raise PackageNotFoundError
        return "1.0"

    monkeypatch.setattr(versions, "version", version)
    assert versions.find_installed("onedl-mmdetection") == ("mmdet", "1.0")
    assert versions.find_installed("opencv-python-headless") == ("opencv-contrib-python", "1.0")
    assert versions.find_installed("torch") == ("torch", None)


def test_mmdet_is_imported_beside_transformers_5(tmp_path):
    """mmpretrain finds its version, and none of the names that it wants of it."""
    package = tmp_path / "transformers-5.0.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: transformers\nVersion: 5.0.0\n")
    folders = [str(tmp_path), str(Path(versions.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    code = "import yolo_plugins.registry, mmdet.models, mmpretrain.models; print(mmpretrain.models.RepVGG.__name__)"
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.split() == ["RepVGG"], run.stderr
