"""TensorRT: an engine for the GPU that it is built on, with what it says of itself in front of it."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from yolo_plugins.errors import UsageError
from yolo_plugins.export.formats.base import INPUT, ExportedNetwork, Format
from yolo_plugins.export.formats.onnx import write as write_onnx
from yolo_plugins.export.formats.torch_graphs import least_side
from yolo_plugins.export.metadata import Metadata, read_metadata

_BYTES = 4  # of the length of the metadata, little-endian, which comes first
_MOST = {"batch": 8, "side": 1280}  # of a dynamic input


def write(network: nn.Module, metadata: Metadata, path: Path, calibration: np.ndarray | None) -> None:
    """Builds an engine from the ONNX graph."""
    trt = _tensorrt("tensorrt")
    onnx = path.with_name("graph.onnx")
    write_onnx(network, metadata, onnx, None)
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    graph = builder.create_network(0)
    parser = trt.OnnxParser(graph, logger)
    if not parser.parse(onnx.read_bytes()):
        raise UsageError(f"tensorrt: its parser does not take this detector ({parser.get_error(0).desc()})")
    onnx.unlink()
    config = builder.create_builder_config()
    if metadata.precision == "bf16":
        config.set_flag(trt.BuilderFlag.BF16)
    else:
        config.clear_flag(trt.BuilderFlag.TF32)
    if metadata.dynamic:
        config.add_optimization_profile(_profile(builder, metadata, network))
    engine = builder.build_serialized_network(graph, config)
    if engine is None:
        raise UsageError("tensorrt: no engine could be built of this detector; take onnx with ONNX Runtime's CUDA")
    text = metadata.to_json().encode()
    path.write_bytes(len(text).to_bytes(_BYTES, "little") + text + bytes(engine))


def _profile(builder: Any, metadata: Metadata, network: Any) -> Any:
    profile = builder.create_optimization_profile()
    least, side = least_side(network, metadata), _MOST["side"] // network.multiple * network.multiple
    profile.set_shape(INPUT, (1, 3, least, least), (1, 3, *metadata.input_hw), (_MOST["batch"], 3, side, side))
    return profile


class Network(ExportedNetwork):
    """An engine with a context of its own."""

    def __init__(self, path: Path, threads: int | None, device: str) -> None:
        trt = _tensorrt(f"{path}")
        if device == "cpu":
            raise UsageError(f"{path}: TensorRT runs on a GPU; give device=cuda")
        content = path.read_bytes()
        end = _BYTES + int.from_bytes(content[:_BYTES], "little")
        self.metadata = read_metadata(content[_BYTES:end].decode(errors="replace"), path)
        self.runtime, self._device = f"tensorrt {trt.__version__}", device
        self._engine = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(content[end:])
        if self._engine is None:
            raise UsageError(f"{path}: was built on another GPU or by another TensorRT; export it here")
        self._context = self._engine.create_execution_context()

    def _run(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        given = torch.from_numpy(images).to(self._device)
        self._context.set_input_shape(INPUT, tuple(given.shape))
        self._context.set_tensor_address(INPUT, given.data_ptr())
        outputs = []
        for name in self.metadata.outputs:
            dtype = torch.int64 if name == "labels" else torch.float32
            output = torch.empty(tuple(self._context.get_tensor_shape(name)), dtype=dtype, device=self._device)
            self._context.set_tensor_address(name, output.data_ptr())
            outputs.append(output)
        stream = torch.cuda.current_stream(given.device)
        self._context.execute_async_v3(stream.cuda_stream)
        stream.synchronize()
        return tuple(output.cpu().numpy() for output in outputs)


def _tensorrt(asked: str) -> Any:
    """The package.

    Raises:
        UsageError: It is not installed, or there is no GPU.
    """
    if not torch.cuda.is_available():
        raise UsageError(f"{asked}: engines are built and run on a machine with an NVIDIA GPU, and torch finds none")
    try:
        import tensorrt
    except ImportError as error:
        raise UsageError(
            f"{asked}: needs TensorRT's Python package: pip install 'yolo_plugins[export,tensorrt]'"
        ) from error
    return tensorrt


TENSORRT = Format(
    "tensorrt", ".engine", ("onnx", "onnxscript"), write, Network, precisions=("f32", "bf16"), device="cuda"
)
