"""Shared fixtures: where the reference numbers, the real pictures and a synthetic data set are."""

import contextlib
import os
import signal
from pathlib import Path

import pytest
from loopback_slurm import make_slurm

from yolo_plugins.versions import NO_TELEMETRY

os.environ |= NO_TELEMETRY  # before a test module looks for a runtime by importing it
REPO = Path(__file__).resolve().parents[1]
GOLDEN = Path(os.environ.get("YOLO_PLUGINS_GOLDEN", REPO / "tests" / "golden"))


GOLDEN_MODELS = {"golden_yolov5_file": "yolov5_*.npz", "golden_model_file": "yolov[45]*_*.npz"}
WRONG_SPLIT = "firsthalf"  # in the name of a file of what tiny's other half would give


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test that asks for a golden file of a kind on every such file there is."""
    for fixture in GOLDEN_MODELS.keys() & set(metafunc.fixturenames):
        files = [path for path in sorted(GOLDEN.glob(GOLDEN_MODELS[fixture])) if WRONG_SPLIT not in path.name]
        metafunc.parametrize(fixture, files, ids=[path.stem for path in files])


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    """Folder of numbers returned by the reference implementations."""
    if not GOLDEN.is_dir():
        pytest.skip(f"YOLO_PLUGINS_GOLDEN={GOLDEN} is not a folder")
    return GOLDEN


@pytest.fixture(scope="session")
def voc_root() -> Path:
    """A VOCdevkit folder of real pictures."""
    root = os.environ.get("YOLO_PLUGINS_VOC")
    if not root or not Path(root).is_dir():
        pytest.skip("YOLO_PLUGINS_VOC does not name a VOCdevkit folder of real pictures")
    return Path(root)


@pytest.fixture(scope="session")
def real_weights() -> Path:
    """A folder of real official files."""
    root = os.environ.get("YOLO_PLUGINS_WEIGHTS")
    if not root or not Path(root).is_dir():
        pytest.skip("YOLO_PLUGINS_WEIGHTS does not name a folder of official weights")
    return Path(root)


@pytest.fixture(scope="session", autouse=True)
def _cache_of_tests(tmp_path_factory: pytest.TempPathFactory):
    """Image caches of the tests stay out of the user's cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("YOLO_PLUGINS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def synthetic_voc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VOCdevkit folder of a few synthetic pictures: VOC2007 train and test, VOC2012 train."""
    from yolo_plugins.datasets.synthetic_voc import make_synthetic_voc

    root = tmp_path_factory.mktemp("synthetic") / "VOCdevkit"
    make_synthetic_voc(root, train=24, test=8, seed=0)
    return root


@pytest.fixture
def loopback_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Folder of a stand-in for Slurm whose commands are on PATH; its jobs end with the test."""
    folder = tmp_path / "slurm"
    monkeypatch.setenv("PATH", f"{make_slurm(folder)}{os.pathsep}{os.environ['PATH']}")
    yield folder
    for job in (folder / "queue").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(int(job.read_text()), signal.SIGKILL)
