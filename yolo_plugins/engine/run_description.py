"""On what a run happens: versions, device, memory."""

import platform
import sys

import torch

import yolo_plugins
from yolo_plugins.costs.machine import cpu_model, device_name
from yolo_plugins.record import Device
from yolo_plugins.versions import find_installed

try:
    import resource
except ImportError:  # Windows has none
    resource = None  # type: ignore[assignment]

_DISTRIBUTIONS = {
    "torchvision": "torchvision",
    "mmengine": "onedl-mmengine",
    "mmcv": "onedl-mmcv",
    "mmdet": "onedl-mmdetection",
    "mmpretrain": "onedl-mmpretrain",
    "timm": "timm",
    "numpy": "numpy",
}


def describe_versions() -> dict[str, str | None]:
    """Versions of what computes the numbers, plugins included; None for a package that is not installed."""
    from yolo_plugins.plugins import LOADED  # loads them, which must not happen while the registries are being filled

    versions: dict[str, str | None] = {"python": platform.python_version(), "torch": str(torch.__version__)}
    versions |= {name: find_installed(distribution)[1] for name, distribution in _DISTRIBUTIONS.items()}
    versions |= {plugin.distribution: plugin.version for plugin in LOADED}
    return versions | {"yolo_plugins": yolo_plugins.__version__}


def describe_device(device: torch.device, world_size: int) -> Device:
    """Name and number of the devices in use, model of the CPU, CPU threads of one process."""
    return {
        "type": device.type,
        "name": device_name(device),
        "count": world_size if device.type == "cuda" else 1,
        "cpu": cpu_model(),
        "threads": torch.get_num_threads(),
    }


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
