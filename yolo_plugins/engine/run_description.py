"""On what a run happens: versions, device, checkout, memory."""

import importlib.metadata
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

import yolo_plugins
from yolo_plugins.costs.machine import cpu_model, device_name
from yolo_plugins.record import Device, Git

try:
    import resource
except ImportError:  # Windows has none
    resource = None  # type: ignore[assignment]

# The maintained releases and the original ones carry different distribution names.
_DISTRIBUTIONS = {
    "torchvision": ("torchvision",),
    "mmengine": ("onedl-mmengine", "mmengine"),
    "mmcv": ("onedl-mmcv", "mmcv"),
    "mmdet": ("onedl-mmdetection", "mmdet"),
    "mmpretrain": ("onedl-mmpretrain", "mmpretrain"),
    "timm": ("timm",),
    "numpy": ("numpy",),
}


def describe_versions() -> dict[str, str | None]:
    """Versions of what computes the numbers, plugins included; None for a package that is not installed."""
    from yolo_plugins.plugins import LOADED  # loads them, which must not happen while the registries are being filled

    versions: dict[str, str | None] = {"python": platform.python_version(), "torch": str(torch.__version__)}
    versions |= {name: _installed_version(candidates) for name, candidates in _DISTRIBUTIONS.items()}
    versions |= {plugin.distribution: plugin.version for plugin in LOADED}
    return versions | {"yolo_plugins": yolo_plugins.__version__}


def _installed_version(distributions: Sequence[str]) -> str | None:
    for name in distributions:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def describe_device(device: torch.device, world_size: int) -> Device:
    """Name and number of the devices in use, model of the CPU, CPU threads of one process."""
    return {
        "type": device.type,
        "name": device_name(device),
        "count": world_size if device.type == "cuda" else 1,
        "cpu": cpu_model(),
        "threads": torch.get_num_threads(),
    }


def describe_git() -> Git | None:
    """Commit of this package's own checkout and whether it has changes; None where it is not run from one."""
    package = Path(yolo_plugins.__file__).parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(package), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")  # fails when the package merely lies inside another checkout
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.SubprocessError):
        return None


def peak_memory_bytes(device: torch.device) -> int:
    """Largest memory held so far: by tensors on a CUDA device, otherwise by the whole process (resident set).

    0 on Windows without CUDA, where Python cannot tell.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if resource is None:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB
