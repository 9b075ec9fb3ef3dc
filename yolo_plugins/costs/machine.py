"""What a machine is called. Importing it loads no torch."""

import platform
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def cpu_model() -> str:
    """Name of the CPU."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def device_name(device: "torch.device") -> str:
    """Name of the GPU, or of the CPU where the device is none."""
    if device.type != "cuda":
        return cpu_model()
    from torch.cuda import get_device_name

    return get_device_name(device)
