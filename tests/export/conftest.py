"""Files of a tiny detector."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_exports import HW, PACKAGES, built

from yolo_plugins.export import FORMATS, Exportable, ExportedNetwork, Metadata, open_exported, write_exported
from yolo_plugins.export.heads import selection_of
from yolo_plugins.models import to_deploy


@pytest.fixture(scope="session")
def network() -> Exportable:
    return Exportable(to_deploy(built(), HW), HW)


@pytest.fixture(scope="session")
def metadata(network) -> Metadata:
    selection = selection_of(network.detector)
    return Metadata(("screw", "nut"), HW, False, False, "f32", network.levels, selection, "model = 1", {"torch": None})


@pytest.fixture
def reopened(tmp_path, metadata) -> Callable[..., ExportedNetwork]:
    """Writes a network in a format and opens the file; skips where a package is missing."""

    def write(network: torch.nn.Module, name: str, calibration: np.ndarray | None = None, **said) -> ExportedNetwork:
        for package in PACKAGES.get(name, ()):
            pytest.importorskip(package)
        path = Path(tmp_path, f"{said.get('precision', 'f32')}{FORMATS[name].suffix}")
        write_exported(network, replace(metadata, **said), FORMATS[name], path, calibration)
        return open_exported(path, threads=1)

    return write
