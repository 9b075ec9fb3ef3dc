"""The formats, and files of them."""

import tempfile
from pathlib import Path

import numpy as np
from torch import nn

from yolo_plugins.errors import UsageError
from yolo_plugins.export.formats.base import ExportedNetwork, Format
from yolo_plugins.export.formats.onnx import ONNX
from yolo_plugins.export.formats.openvino import OPENVINO
from yolo_plugins.export.formats.tensorrt import TENSORRT
from yolo_plugins.export.formats.torch_files import TORCH_EXPORT, TORCHSCRIPT
from yolo_plugins.export.metadata import Metadata
from yolo_plugins.faults import first_line

FORMATS = {known.name: known for known in (ONNX, OPENVINO, TORCHSCRIPT, TORCH_EXPORT, TENSORRT)}


def format_of(path: str | Path) -> Format | None:
    """The format whose suffix a file has."""
    return next((known for known in FORMATS.values() if known.suffix == Path(path).suffix), None)


def is_exported(path: str | Path) -> bool:
    """Whether a file has the suffix of a format."""
    return format_of(path) is not None


def write_exported(
    network: nn.Module, metadata: Metadata, known: Format, path: Path, calibration: np.ndarray | None = None
) -> int:
    """Writes a network; a file that was there is replaced when the new one is whole.

    Args:
        network: An `Exportable`.
        metadata: What the file is to say of itself.
        known: The format.
        path: With its suffix.
        calibration: (n, 3, H, W) uint8, pictures by which int8 finds its scales.

    Returns:
        Bytes of the file and what belongs to it.

    Raises:
        UsageError: A package is not installed; or the format cannot hold such a network, or not in this precision.
    """
    known.require(metadata.precision)
    if metadata.precision not in known.precisions:
        able = [other.name for other in FORMATS.values() if metadata.precision in other.precisions]
        raise UsageError(f"{known.name}: is not written in {metadata.precision} here; take {' or '.join(able)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export") as folder:
        temporary = Path(folder, path.name)
        try:
            known.write(network, metadata, temporary, calibration)
        except UsageError:
            raise
        except Exception as error:  # another author's exporter: anything may come
            raise UsageError(
                f"{known.name}: its exporter does not take this detector ({first_line(error)}); take another format"
            ) from error
        names = [temporary.with_suffix(suffix) for suffix in (*known.beside, known.suffix)]
        size = sum(name.stat().st_size for name in names)
        for name in names:  # the one that is opened comes last
            name.replace(path.with_name(name.name))
    return size


def open_exported(path: str | Path, threads: int | None = None, device: str | None = None) -> ExportedNetwork:
    """Opens an exported file.

    Args:
        path: With the suffix of a format.
        threads: Of the CPU; by default as many as the runtime chooses.
        device: `cpu`, `cuda` ...; by default the format's own: the CPU, but for TensorRT's a GPU.

    Raises:
        UsageError: It is not there, damaged, or of no format; its runtime is not installed, or not for this device.
    """
    path, known = Path(path), format_of(path)
    if known is None:
        suffixes = ", ".join(known.suffix for known in FORMATS.values())
        raise UsageError(f"{path}: no exported file ({suffixes}); export it by yolo-plugins export")
    known.require()
    if not path.is_file():
        raise UsageError(f"{path}: no such file; check the path")
    try:
        network = known.read(path, threads, device or known.device)
    except UsageError:
        raise
    except Exception as error:  # of a damaged file: anything may come
        raise UsageError(f"{path}: cannot be opened as {known.name} ({first_line(error)}); export it again") from error
    network.path, network.device = path, device or known.device
    return network
