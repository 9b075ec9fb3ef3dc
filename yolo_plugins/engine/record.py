"""The record of a run, `work_dir/record.json`: what it was, on what it ran, and what each epoch measured.

The analysis reads this file and nothing else. Fractions are 0..1, times are seconds, epochs count from 1.
"""

import hashlib
import importlib.metadata
import json
import math
import platform
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

import yolo_plugins
from yolo_plugins.files import write_atomically

LOSS_TERMS = ("box", "obj", "cls")
METRICS = ("ap50", "ap50_95", "precision", "recall", "recall_max")
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
_MODULES = ("backbone", "neck", "bbox_head")
# They say where and how a run happens, not what it is.
_RUN_KEYS = {"work_dir", "resume", "load_from", "launcher", "seed", "data_root", "num_workers", "persistent_workers"}


def inverse_normalized_loss(train_losses: Sequence[float]) -> float:
    """The paper's loss metric: largest over last training loss, with epoch means; at least 1, larger is better.

    Normalised loss = training loss / the largest training loss of the run (Chai & Zhao). It depends on the spike
    of the first epochs, hence on the warm-up.

    Raises:
        ValueError: No epoch, or a loss that is not positive and finite.
    """
    if not train_losses or not all(math.isfinite(loss) and loss > 0 for loss in train_losses):
        raise ValueError(f"inverse normalised loss needs positive finite losses, got {list(train_losses)}")
    return max(train_losses) / train_losses[-1]


def summarize_epochs(epochs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Figures of the run so far: finished epochs, inverse normalised loss, best AP50 and its epoch (None: none)."""
    losses = [row["train_loss"] for row in epochs]
    scored = [row for row in epochs if row["ap50"] is not None]
    best = max(scored, key=lambda row: row["ap50"], default={"ap50": None, "epoch": None})
    return {
        "epochs": len(epochs),
        "inverse_normalized_loss": inverse_normalized_loss(losses) if losses and min(losses) > 0 else None,
        "best_ap50": best["ap50"],
        "best_ap50_epoch": best["epoch"],
    }


def describe_config(cfg: Config) -> dict[str, Any]:
    """`config_name`, `config_sha256` and `modules`, the type of each part: `PyramidBackbone(mmpretrain.ResNet)`.

    The hash is over the resolved config without the seed and what says where and how one run happens: the runs of a
    model in a study share it, wherever their data lie.
    """
    text = json.dumps(_without_run_keys(cfg.to_dict()), sort_keys=True, default=str)
    return {
        "config_name": Path(cfg.filename).stem if cfg.filename else "unnamed",
        "config_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "modules": {part: _type_of(cfg.model[part]) for part in _MODULES if part in cfg.model},
    }


def _without_run_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_run_keys(item) for key, item in value.items() if key not in _RUN_KEYS}
    return [_without_run_keys(item) for item in value] if isinstance(value, (list, tuple)) else value


def _type_of(module: dict[str, Any]) -> str:
    """The type that a config names; of a wrapped network also its own."""
    net = module.get("net")
    return module["type"] if net is None else f"{module['type']}({net.get('model_name', net['type'])})"


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


def describe_device(device: torch.device, world_size: int) -> dict[str, Any]:
    """Name and number of the devices in use, model of the CPU, CPU threads of one process."""
    cpu = _cpu_model()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu
    return {
        "type": device.type,
        "name": name,
        "count": world_size if device.type == "cuda" else 1,
        "cpu": cpu,
        "threads": torch.get_num_threads(),
    }


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def describe_git() -> dict[str, Any] | None:
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
    """Largest memory held so far: by tensors on a CUDA device, otherwise by the whole process (resident set)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB


def write_record(path: str | Path, record: dict[str, Any]) -> None:
    """Writes the record with an up-to-date summary, atomically; numbers that are not finite become null.

    Raises:
        UsageError: The disk is full.
    """
    content = _finite(record | {"summary": summarize_epochs(record["epochs"])})
    write_atomically(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
