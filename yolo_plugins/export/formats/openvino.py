"""OpenVINO's intermediate representation."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from yolo_plugins.errors import UsageError
from yolo_plugins.export.formats.base import INPUT, ExportedNetwork, Format, imported, quiet
from yolo_plugins.export.formats.torch_graphs import example
from yolo_plugins.export.metadata import KEY, Metadata, read_metadata

_NOT_DECODING = ("Convolution", "GroupConvolution", "Constant", "Parameter")


def write(network: nn.Module, metadata: Metadata, path: Path, calibration: np.ndarray | None) -> None:
    """Writes the graph, and its weights beside it."""
    model = convert(network, metadata)
    if calibration is not None:
        model = _quantised(model, calibration)
    imported("openvino").save_model(model, path, compress_to_fp16=False)


def convert(network: nn.Module, metadata: Metadata) -> Any:
    """The network as OpenVINO's model."""
    openvino = imported("openvino")
    picture = example(network, metadata)
    shape = [-1, 3, -1, -1] if metadata.dynamic else list(picture.shape)
    model = quiet(lambda: openvino.convert_model(network, example_input=picture, input=[openvino.PartialShape(shape)]))
    for port, name in zip((*model.inputs, *model.outputs), (INPUT, *metadata.outputs), strict=True):
        port.get_tensor().set_names({name})
    model.set_rt_info(metadata.to_json(), KEY)
    return model


@cache
def _core() -> Any:
    """The one core of this process, which is never freed.

    A core gives its thread a signal stack of its own and unmaps it when it is freed. Where another thread does that, as
    the collector of garbage may, the first signal with a handler of Python, the end of a child or Ctrl-C, kills the
    process without a word.
    """
    return imported("openvino").Core()


def _quantised(model: Any, pictures: np.ndarray) -> Any:
    """The model with convolutions of int8, scaled by what they see on pictures; what decodes their outputs is float."""
    nncf = imported("nncf")
    scope = nncf.IgnoredScope(names=_after_last_convolutions(model))
    dataset = nncf.Dataset([picture[None] for picture in pictures])
    return quiet(lambda: nncf.quantize(model, dataset, subset_size=len(pictures), ignored_scope=scope))


def _after_last_convolutions(model: Any) -> list[str]:
    """Names of the operators between the last convolutions and the outputs."""
    found: dict[str, None] = {}
    left = [result.input_value(0).get_node() for result in model.get_results()]
    while left:
        node = left.pop()
        if node.get_friendly_name() in found or node.get_type_name() in _NOT_DECODING:
            continue
        found[node.get_friendly_name()] = None
        left += [port.get_source_output().get_node() for port in node.inputs()]
    return list(found)


class Network(ExportedNetwork):
    """A compiled model of OpenVINO."""

    def __init__(self, path: Path, threads: int | None, device: str) -> None:
        openvino = imported("openvino")
        if device != "cpu":
            raise UsageError(f"device={device}: OpenVINO's files are run on the CPU here; give cpu")
        model = _core().read_model(path)
        text = model.get_rt_info(KEY).astype(str) if model.has_rt_info(KEY) else None
        self.metadata, self.runtime = read_metadata(text, path), f"openvino {openvino.__version__.partition('-')[0]}"
        self._compiled = _core().compile_model(model, "CPU", _options(self.metadata, threads))

    def _run(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(self._compiled(images, share_inputs=True).values())


def _options(metadata: Metadata, threads: int | None) -> dict[str, Any]:
    # A CPU with bfloat16 would else use it unasked.
    options: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if metadata.precision == "bf16" else "f32",
    }
    return options | ({"INFERENCE_NUM_THREADS": threads} if threads else {})


OPENVINO = Format(
    "openvino",
    ".xml",
    ("openvino",),
    write,
    Network,
    beside=(".bin",),
    precisions=("f32", "bf16", "int8"),
    int8_packages=("nncf",),
)
