"""ONNX, run by ONNX Runtime."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from yolo_plugins.errors import UsageError
from yolo_plugins.export.formats.base import INPUT, OUTPUTS, ExportedNetwork, Format, quiet
from yolo_plugins.export.formats.torch_graphs import exported
from yolo_plugins.export.metadata import KEY, Metadata, read_metadata
from yolo_plugins.faults import first_line


def write(network: nn.Module, metadata: Metadata, path: Path) -> None:
    """Writes a graph with its weights within."""
    program = exported(network, metadata)
    onnx = quiet(
        lambda: torch.onnx.export(program, dynamo=True, verbose=False, input_names=[INPUT], output_names=list(OUTPUTS))
    )
    onnx.model.metadata_props[KEY] = metadata.to_json()
    onnx.save(path, external_data=False)


class Network(ExportedNetwork):
    """A session of ONNX Runtime."""

    def __init__(self, path: Path, threads: int | None, device: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0  # 0: its own choice
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=_providers(device))
        except Exception as error:  # its own exceptions share no base
            raise UsageError(f"{path}: ONNX Runtime cannot run it ({first_line(error)}); export it again") from error
        text = self._session.get_modelmeta().custom_metadata_map.get(KEY)
        self.metadata, self.runtime = read_metadata(text, path), f"onnxruntime {onnxruntime.__version__}"

    def _run(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(self._session.run(None, {INPUT: images}))


def _providers(device: str) -> list[str]:
    import onnxruntime

    if device == "cpu":
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise UsageError(f"device={device}: this ONNX Runtime has no CUDA; install onnxruntime-gpu, or give cpu")
    return ["CUDAExecutionProvider", "CPUExecutionProvider"]


ONNX = Format("onnx", ".onnx", ("onnx", "onnxscript", "onnxruntime"), write, Network)
