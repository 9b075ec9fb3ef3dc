"""What is installed: versions, the commit of a checkout, and versions that are known not to work together.

The package runs on the maintained OneDL releases of the OpenMMLab stack and imports on the original ones, whose
distributions carry other names and the same import names. An unknown version is never refused.
"""

import contextlib
import importlib.util
import platform
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.version import Version
from typing_extensions import TypedDict  # typing's own cannot be checked by pydantic before Python 3.12

from yolo_plugins import __version__

_PAIRS = {
    "mmengine": "onedl-mmengine",
    "mmcv": "onedl-mmcv",
    "mmdet": "onedl-mmdetection",
    "mmpretrain": "onedl-mmpretrain",
}
# What brings the same modules as a distribution that is required.
_ALTERNATIVES = {
    **{required: (original,) for original, required in _PAIRS.items()},
    "opencv-python-headless": ("opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python"),
    "onnxruntime": ("onnxruntime-gpu",),
}
_REMEDY = (
    "pip install onedl-mmengine onedl-mmcv onedl-mmdetection onedl-mmpretrain, "
    "after pip uninstall mmengine mmcv mmdet mmpretrain"
)

# Environment by which ONNX Runtime, OpenVINO and NNCF neither leave an id in the home folder nor report their use. It
# has to be there when they are imported: a thread of ONNX Runtime begins to report then.
NO_TELEMETRY = {"CI": "true", "ORT_DISABLE_TELEMETRY": "1"}


class Git(TypedDict):
    """Commit of this package's checkout, and whether it had changes."""

    commit: str
    dirty: bool


def describe_git() -> Git | None:
    """Commit of this package's own checkout and whether it has changes; None where it is not run from one."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")  # fails when the package merely lies inside another checkout
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.SubprocessError):
        return None


def describe_installation() -> str:
    """Version, folder and Python, by which one installation of this package is told from another; as pip has it."""
    folder = Path(__file__).resolve().parent
    return f"yolo-plugins {__version__} from {folder} (python {platform.python_version()})"


def find_installed(distribution: str) -> tuple[str, str | None]:
    """(name, version) of a distribution, or of another that brings the same modules; None where there is none."""
    for name in (distribution, *_ALTERNATIVES.get(distribution, ())):
        with contextlib.suppress(PackageNotFoundError):
            return name, version(name)
    return distribution, None


def _installed(distribution: str) -> Version | None:
    try:
        return Version(version(distribution))
    except PackageNotFoundError:
        return None


def find_conflicts(installed: Callable[[str], Version | None] = _installed) -> list[str]:
    """One sentence, with the remedy, for each known conflict among the installed versions.

    Args:
        installed: Gives the version of a distribution, None where it is not installed.
    """
    torch = installed("torch")
    original = {name: found for name in _PAIRS if (found := installed(name)) is not None}
    sentences = [
        f"{name} {found} and {_PAIRS[name]} are both installed and overwrite each other's files; {_REMEDY}"
        for name, found in original.items()
        if installed(_PAIRS[name]) is not None
    ]
    return sentences + [sentence for applies, sentence in _known(torch, original, installed) if applies]


def _known(
    torch: Version | None, original: Mapping[str, Version], installed: Callable[[str], Version | None]
) -> list[tuple[bool, str]]:
    """(whether it applies, sentence) of each conflict that was met when the releases were tried together."""
    mmengine, mmdet = original.get("mmengine"), original.get("mmdet")
    mmcv = original.get("mmcv") or installed("onedl-mmcv")
    return [
        (
            bool(mmengine and torch and mmengine <= Version("0.10.7") and torch >= Version("2.6")),
            f"mmengine {mmengine} cannot read its own checkpoints with torch {torch}; {_REMEDY}",
        ),
        (
            bool(mmdet and mmcv and mmdet <= Version("3.3.0") and mmcv >= Version("2.2.0")),
            f"mmdet {mmdet} refuses mmcv {mmcv} when it is imported; {_REMEDY}",
        ),
    ]


def warn_of_conflicts() -> None:
    """Issues one warning for each known conflict."""
    for sentence in find_conflicts():
        warnings.warn(sentence, stacklevel=2)


def switch_off_multimodal() -> None:
    """Lets mmpretrain, and mmdet that imports it, be imported where transformers 5 is installed.

    mmpretrain 1.3 defines its language models wherever there is a transformers, on names that 5 no longer has, and ends
    in a TypeError. With the switch off that it sets when it is loaded, it goes without them.
    """
    transformers, name = _installed("transformers"), "mmpretrain.utils.dependency"
    if transformers is None or transformers < Version("5") or name in sys.modules:
        return
    mmpretrain = importlib.util.find_spec("mmpretrain")
    if mmpretrain is None or mmpretrain.origin is None:
        return
    spec = importlib.util.spec_from_file_location(name, Path(mmpretrain.origin).parent / "utils" / "dependency.py")
    if spec and spec.loader:
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        vars(module)["WITH_MULTIMODAL"] = False
