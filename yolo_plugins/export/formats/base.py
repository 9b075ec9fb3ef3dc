"""What every format of exported files has in common."""

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from yolo_plugins.errors import UsageError
from yolo_plugins.export.metadata import Metadata
from yolo_plugins.faults import first_line
from yolo_plugins.versions import NO_TELEMETRY

INPUT = "images"
_HARMLESS: tuple[tuple[str, type[Warning]], ...] = (
    ("", DeprecationWarning),
    ("", FutureWarning),
    ("DeprecationWarning", UserWarning),  # as MMDetection has it
    # What it took for a constant differs at another size, which files are tried at.
    ("", torch.jit.TracerWarning),
    ("No complete tensor found in the group", UserWarning),  # and the next: of torch, reading what it wrote itself
    ("The given buffer is not writable", UserWarning),
)


class ExportedNetwork(ABC):
    """A network in an exported file, ready to run.

    Attributes:
        path: Of the file.
        metadata: What the file says of itself.
        runtime: What runs it, with its version: `onnxruntime 1.32.0`.
        device: Where: `cpu`, `cuda` ...
    """

    path: Path
    metadata: Metadata
    runtime: str
    device: str

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        """Runs a batch.

        Args:
            images: (N, 3, H, W) uint8 BGR, letterboxed.

        Returns:
            What `Exportable` returns.

        Raises:
            UsageError: Its runtime cannot run it on them.
        """
        try:
            return self._run(images)
        except Exception as error:  # of the runtime: anything may come
            height, width = images.shape[2:]
            raise UsageError(
                f"{self.path}: {self.runtime} cannot run it on {height}x{width} pixels ({first_line(error)}); "
                "give an img_size that the model takes, or export it again"
            ) from error

    def __deepcopy__(self, memo: object) -> "ExportedNetwork":
        """Itself: it never changes, and no runtime copies its networks."""
        return self

    @abstractmethod
    def _run(self, images: np.ndarray) -> tuple[np.ndarray, ...]: ...


class Writer(Protocol):
    """Writes a network into a folder."""

    def __call__(self, network: nn.Module, metadata: Metadata, path: Path, calibration: np.ndarray | None) -> None:
        """Writes `path`, and what else belongs to it beside it; `calibration` (n, 3, H, W) uint8 is for int8."""


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
        precisions: In which it can be written.
        int8_packages: By what else it is written in int8.
        device: On which its files run, unless asked for another.
    """

    name: str
    suffix: str
    packages: tuple[str, ...]
    write: Writer
    read: Callable[[Path, int | None, str], ExportedNetwork]
    beside: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ("f32",)
    int8_packages: tuple[str, ...] = ()
    device: str = "cpu"

    def require(self, precision: str = "f32") -> None:
        """Raises `UsageError` where a package is missing that it needs to write in a precision, or to read."""
        needed = self.packages + (self.int8_packages if precision == "int8" else ())
        missing = [package for package in needed if importlib.util.find_spec(package) is None]
        if missing:
            raise UsageError(f"{self.name}: needs {' and '.join(missing)}: pip install 'yolo_plugins[export]'")


def imported(package: str) -> Any:
    """A package that would report its use to its maker, from the moment when it is imported."""
    return quiet(lambda: importlib.import_module(package))


def quiet(function: Callable[[], Any]) -> Any:
    """Calls an exporter without warnings that are known to be harmless, and without telemetry.

    OpenVINO, NNCF and ONNX Runtime leave an id of the user in the home folder and report what they do, but not in
    continuous integration, of which `CI` tells them.
    """
    import logging
    import os
    import warnings

    before = {name: os.environ.get(name) for name in NO_TELEMETRY}
    # The first tells of every operator, the second the traceback of what it raises.
    least = {logging.getLogger("nncf"): logging.WARNING, logging.getLogger("torch.export"): logging.ERROR}
    levels = {logger: logger.level for logger in least}
    for logger, level in least.items():
        logger.setLevel(level)
    os.environ.update(NO_TELEMETRY)
    try:
        with warnings.catch_warnings():
            for message, category in _HARMLESS:
                warnings.filterwarnings("ignore", message, category)
            return function()
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
        for name, value in before.items():
            os.environ.pop(name)
            os.environ.update({} if value is None else {name: value})
