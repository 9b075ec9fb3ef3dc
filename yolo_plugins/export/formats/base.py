"""What every format of exported files has in common."""

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import nn

from yolo_plugins.errors import UsageError
from yolo_plugins.export.metadata import Metadata

INPUT, OUTPUTS = "images", ("boxes", "scores")


class ExportedNetwork(ABC):
    """A network in an exported file, ready to run.

    Attributes:
        metadata: What the file says of itself.
        runtime: What runs it, with its version: `onnxruntime 1.32.0`.
    """

    metadata: Metadata
    runtime: str

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        """Runs a batch.

        Args:
            images: (N, 3, H, W) uint8 BGR, letterboxed.

        Returns:
            What `Exportable` returns.
        """
        return self._run(images)

    @abstractmethod
    def _run(self, images: np.ndarray) -> tuple[np.ndarray, ...]: ...


class Writer(Protocol):
    """Writes a network into a folder."""

    def __call__(self, network: nn.Module, metadata: Metadata, path: Path) -> None:
        """Writes `path`, and what else belongs to it beside it."""


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        name: On the command line.
        suffix: Of the file that is opened.
        packages: By what it is written and run.
        write: Writes a file.
        read: Opens one: path, threads (None: the runtime's choice), device.
        beside: Suffixes of other files that belong to it.
    """

    name: str
    suffix: str
    packages: tuple[str, ...]
    write: Writer
    read: Callable[[Path, int | None, str], ExportedNetwork]
    beside: tuple[str, ...] = ()

    def require(self) -> None:
        """Raises `UsageError` where a package that it needs is not installed."""
        missing = [package for package in self.packages if importlib.util.find_spec(package) is None]
        if missing:
            raise UsageError(f"{self.name}: needs {' and '.join(missing)}: pip install 'yolo_plugins[export]'")


def quiet(function: Callable[[], Any]) -> Any:
    """Calls an exporter without its warnings on Python code that it leaves out of the graph."""
    import logging
    import warnings

    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "torch.export", "nncf")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function()
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
