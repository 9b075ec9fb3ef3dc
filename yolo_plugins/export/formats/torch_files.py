"""TorchScript and `torch.export` programs, run by torch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from yolo_plugins.export.formats.base import ExportedNetwork, Format, quiet
from yolo_plugins.export.formats.torch_graphs import exported, traced
from yolo_plugins.export.metadata import KEY, Metadata, read_metadata


def write_torchscript(network: nn.Module, metadata: Metadata, path: Path, calibration: np.ndarray | None) -> None:
    """Writes the operators of one run."""
    torch.jit.save(traced(network, metadata), path, {KEY: metadata.to_json()})


def write_program(network: nn.Module, metadata: Metadata, path: Path, calibration: np.ndarray | None) -> None:
    """Writes what `torch.export` makes."""
    program = exported(network, metadata)
    quiet(lambda: torch.export.save(program, path, extra_files={KEY: metadata.to_json()}))


class Network(ExportedNetwork):
    """A module of torch."""

    def __init__(self, path: Path, threads: int | None, device: str, load: Callable[..., Any]) -> None:
        extra = {KEY: ""}
        module = quiet(lambda: load(str(path), extra))
        text = extra[KEY]
        self.metadata = read_metadata(text.decode() if isinstance(text, bytes) else text, path)
        self.runtime = f"torch {torch.__version__}"
        self._module, self._device, self._threads = module.to(device), device, threads

    @torch.inference_mode()
    def _run(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        if self._threads:
            torch.set_num_threads(self._threads)
        outputs = self._module(torch.from_numpy(images).to(self._device))
        return tuple(output.cpu().numpy() for output in outputs)


def _read_torchscript(path: Path, threads: int | None, device: str) -> Network:
    return Network(path, threads, device, lambda name, extra: torch.jit.load(name, _extra_files=extra))


def _read_program(path: Path, threads: int | None, device: str) -> Network:
    return Network(path, threads, device, lambda name, extra: torch.export.load(name, extra_files=extra).module())


TORCHSCRIPT = Format("torchscript", ".torchscript", (), write_torchscript, _read_torchscript)
TORCH_EXPORT = Format("torch_export", ".pt2", (), write_program, _read_program)
