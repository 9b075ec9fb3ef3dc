"""ONNX, run by ONNX Runtime."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from yolo_plugins.errors import UsageError
from yolo_plugins.export.formats.base import INPUT, ExportedNetwork, Format, imported, quiet
from yolo_plugins.export.formats.torch_graphs import exported
from yolo_plugins.export.metadata import KEY, Metadata, read_metadata


def write(network: nn.Module, metadata: Metadata, path: Path, calibration: np.ndarray | None) -> None:
    """Writes a graph with its weights within; as int8 its convolutions are, and what decodes their outputs is not."""
    program = exported(network, metadata)
    onnx = quiet(
        lambda: torch.onnx.export(
            program,
            dynamo=True,
            verbose=False,
            input_names=[INPUT],
            output_names=list(metadata.outputs),
            custom_translation_table={torch.ops.aten.sort.stable: _stable_sort},
        )
    )
    onnx.model.metadata_props[KEY] = metadata.to_json()
    onnx.save(path, external_data=False)
    if calibration is not None:
        _quantise(path, calibration)


def _quantise(path: Path, pictures: np.ndarray) -> None:
    """Replaces a file by one whose convolutions take and hold int8, scaled by what they see on pictures."""
    quantization = imported("onnxruntime.quantization")
    prepare = imported("onnxruntime.quantization.shape_inference").quant_pre_process

    class Reader(quantization.CalibrationDataReader):  # type: ignore[name-defined]
        left = iter(pictures)

        def get_next(self) -> dict[str, np.ndarray] | None:
            picture = next(self.left, None)
            return None if picture is None else {INPUT: picture[None]}

    prepared = path.with_name("prepared.onnx")
    quiet(lambda: prepare(path, prepared))
    options = {"op_types_to_quantize": ["Conv"], "quant_format": quantization.QuantFormat.QDQ, "per_channel": True}
    quiet(lambda: quantization.quantize_static(prepared, path, Reader(), **options))


def _stable_sort(values: Any, *, stable: bool, dim: int = -1, descending: bool = False) -> Any:
    """A sorted vector, for which torch's exporter has no word; ONNX leaves equal values in their order."""
    from onnxscript import opset18

    return opset18.TopK(values, opset18.Shape(values), axis=dim, largest=int(descending))


class Network(ExportedNetwork):
    """A session of ONNX Runtime."""

    def __init__(self, path: Path, threads: int | None, device: str) -> None:
        onnxruntime = imported("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0  # 0: its own choice
        self._session = onnxruntime.InferenceSession(path, options, providers=_providers(device))
        text = self._session.get_modelmeta().custom_metadata_map.get(KEY)
        self.metadata, self.runtime = read_metadata(text, path), f"onnxruntime {onnxruntime.__version__}"

    def _run(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(self._session.run(None, {INPUT: images}))


def _providers(device: str) -> list[str]:
    if device == "cpu":
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in imported("onnxruntime").get_available_providers():
        raise UsageError(f"device={device}: this ONNX Runtime has no CUDA; install onnxruntime-gpu, or give cpu")
    return ["CUDAExecutionProvider", "CPUExecutionProvider"]


ONNX = Format("onnx", ".onnx", ("onnx", "onnxscript", "onnxruntime"), write, Network, precisions=("f32", "int8"))
