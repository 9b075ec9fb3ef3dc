"""OpenVINO's intermediate representation."""

from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from yolo_plugins.errors import UsageError
from yolo_plugins.export.formats.base import INPUT, OUTPUTS, ExportedNetwork, Format, quiet
from yolo_plugins.export.formats.torch_graphs import example
from yolo_plugins.export.metadata import KEY, Metadata, read_metadata
from yolo_plugins.faults import first_line


def write(network: nn.Module, metadata: Metadata, path: Path) -> None:
    """Writes the graph, and its weights beside it."""
    import openvino

    openvino.save_model(convert(network, metadata), path, compress_to_fp16=False)


def convert(network: nn.Module, metadata: Metadata) -> Any:
    """The network as OpenVINO's model."""
    import openvino

    picture = example(metadata)
    shape = [-1, 3, -1, -1] if metadata.dynamic else list(picture.shape)
    model = quiet(lambda: openvino.convert_model(network, example_input=picture, input=[openvino.PartialShape(shape)]))
    for port, name in zip((*model.inputs, *model.outputs), (INPUT, *OUTPUTS), strict=True):
        port.get_tensor().set_names({name})
    model.set_rt_info(metadata.to_json(), KEY)
    return model


class Network(ExportedNetwork):
    """A compiled model of OpenVINO."""

    def __init__(self, path: Path, threads: int | None, device: str) -> None:
        import openvino

        if device != "cpu":
            raise UsageError(f"device={device}: OpenVINO's files are run on the CPU here; give cpu")
        try:
            model = openvino.Core().read_model(path)
        except RuntimeError as error:
            raise UsageError(f"{path}: OpenVINO cannot read it ({first_line(error)}); export it again") from error
        text = model.get_rt_info(KEY).astype(str) if model.has_rt_info(KEY) else None
        self.metadata, self.runtime = read_metadata(text, path), f"openvino {openvino.__version__.partition('-')[0]}"
        self._compiled = openvino.compile_model(model, "CPU", _options(self.metadata, threads))

    def _run(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(self._compiled(images, share_inputs=True).values())


def _options(metadata: Metadata, threads: int | None) -> dict[str, Any]:
    # A CPU with bfloat16 would else use it unasked.
    options: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if metadata.precision == "bf16" else "f32",
    }
    return options | ({"INFERENCE_NUM_THREADS": threads} if threads else {})


OPENVINO = Format("openvino", ".xml", ("openvino",), write, Network, beside=(".bin",))
