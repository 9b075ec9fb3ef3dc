"""Darknet's `.cfg` and `.weights` files -> a state dict.

Source: the public definition of both. A `.weights` file is a header and then float32 numbers without names; the `.cfg`
tells to which convolution they belong. Keys are those of the PyTorch engine for Darknet's configs, such as
`module_list.0.Conv2d.weight`, with sections counted from 0 after [net]; `scaled_yolov4` converts them.
"""

import math
import re
import struct
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from yolo_plugins.errors import UsageError

_NORM = ("bias", "weight", "running_mean", "running_var")  # in the order of the file
_FLOAT_BYTES = 4


def load_darknet(cfg_path: str | Path, weights_path: str | Path) -> "OrderedDict[str, Tensor]":
    """Reads the weights of a network that Darknet trained.

    Args:
        cfg_path: `.cfg` with sections [net], [convolutional], [route], [shortcut], [maxpool], [upsample], [yolo].
        weights_path: `.weights` file of that network, whole.

    Returns:
        float32 tensors by `module_list.{section}.Conv2d.*` and `module_list.{section}.BatchNorm2d.*`, and counters 0.

    Raises:
        UsageError: No such file, a `.cfg` that cannot be read, or `.weights` that do not belong to it.
    """
    cfg_path, weights_path = Path(cfg_path), Path(weights_path)
    shapes = _tensor_shapes(_read_sections(cfg_path))
    sizes = [math.prod(shape) for shape in shapes.values()]
    numbers = _read_numbers(weights_path, cfg_path, sum(sizes))
    state_dict: OrderedDict[str, Tensor] = OrderedDict()
    for (key, shape), values in zip(shapes.items(), numbers.split(sizes), strict=True):
        lowest = 0 if key.endswith("running_var") else -math.inf
        if not (values.isfinite() & (values >= lowest)).all():
            raise UsageError(
                f"{weights_path}: {key} holds values that are not finite, or variances below 0; the file is damaged or "
                f"of another network than {cfg_path.name}: copy it again, or give its own .cfg"
            )
        state_dict[key] = values.clone().reshape(shape)
        if key.endswith("running_var"):
            state_dict[key.replace("running_var", "num_batches_tracked")] = torch.tensor(0)
    return state_dict


# --- .weights


def is_darknet(path: Path) -> bool:
    """Whether a file is named, or begins, as Darknet's `.weights` do: with the version, 0.1 or 0.2."""
    with path.open("rb") as file:
        head = file.read(8)
    return path.suffix == ".weights" or head in (struct.pack("<2i", 0, 1), struct.pack("<2i", 0, 2))


def _read_numbers(path: Path, cfg_path: Path, count: int) -> Tensor:
    """(count,) float32: the file after its header, whose size has to be exactly that."""
    data = _read(path)
    major, minor, _ = struct.unpack("<3i", data[:12].ljust(12, b"\0"))
    # then the images seen in training, which became a 64-bit number in version 0.2
    header = 20 if 10 * major + minor >= 2 and major < 1000 and minor < 1000 else 16
    expected = header + _FLOAT_BYTES * count
    if len(data) != expected:
        missing = expected - len(data)
        raise UsageError(
            f"{path}: {cfg_path.name} expects {count:,} floats, {expected:,} bytes with the header; found "
            f"{max(len(data) - header, 0) // _FLOAT_BYTES:,} floats, {len(data):,} bytes: {abs(missing):,} "
            f"byte{'s' * (abs(missing) > 1)} {'short' if missing > 0 else 'too many'}; "
            "copy the file again, or give the .cfg that it was trained with"
        )
    return torch.from_numpy(np.frombuffer(data, "<f4", offset=header).astype(np.float32))


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise UsageError(f"{path}: no such file; check the path")
    return path.read_bytes()


# --- .cfg


@dataclass
class _Section:
    """`[kind]` with its `key=value` lines; `place` names it in errors."""

    kind: str
    place: str
    options: dict[str, str] = field(default_factory=dict)

    def integers(self, key: str, default: str = "") -> list[int]:
        """The whole numbers of a comma-separated value."""
        text = self.options.get(key, default)
        try:
            return [int(part) for part in text.split(",")]
        except ValueError:
            raise UsageError(f"{self.place}: {key}={text!r} is not a whole number or several; fix it") from None

    def count(self, key: str, default: str = "") -> int:
        """A single whole number above 0."""
        number, *more = self.integers(key, default)
        if more or number < 1:
            raise UsageError(f"{self.place}: {key}={self.options[key]!r} is not one number above 0; fix it")
        return number


def _read_sections(path: Path) -> list[_Section]:
    sections: list[_Section] = []
    for number, line in enumerate(_read(path).decode("utf-8-sig", errors="replace").splitlines(), 1):
        text = re.split("[#;]", line)[0].strip()
        key, equals, value = text.partition("=")
        if text.startswith("[") and text.endswith("]"):
            sections.append(_Section(text[1:-1].strip(), f"{path}, line {number}, {text}"))
        elif equals and sections:
            sections[-1].options.setdefault(key.strip(), value.strip())  # Darknet, too, takes the first
        elif text:
            raise UsageError(
                f"{path}, line {number}: {text[:40]!r} is neither [section] nor key=value within one; "
                "give a Darknet .cfg file, then its .weights"
            )
    if not sections or sections[0].kind not in ("net", "network"):
        raise UsageError(f"{path}: does not begin with [net]; give a Darknet .cfg file")
    return sections


def _tensor_shapes(sections: list[_Section]) -> dict[str, tuple[int, ...]]:
    """Shapes of all tensors by key, in the order of the `.weights` file."""
    shapes: dict[str, tuple[int, ...]] = {}
    net, *layers = sections
    channels: list[int] = []  # of each layer's map
    for index, layer in enumerate(layers):
        in_channels = channels[-1] if channels else net.count("channels", "3")
        if layer.kind == "convolutional":
            shapes |= _convolution_shapes(layer, f"module_list.{index}", in_channels)
            channels.append(layer.count("filters"))
        elif layer.kind == "route":
            read = sum(channels[source] for source in _sources(layer, index))
            channels.append(read // layer.count("groups", "1"))
        elif layer.kind in ("shortcut", "maxpool", "upsample", "yolo"):
            channels.append(in_channels)
        else:
            raise UsageError(f"{layer.place}: this kind of section is not supported; use YOLOv4-CSP's or tiny's .cfg")
    return shapes


def _convolution_shapes(layer: _Section, name: str, in_channels: int) -> dict[str, tuple[int, ...]]:
    filters, size, groups = layer.count("filters"), layer.count("size"), layer.count("groups", "1")
    has_norm = layer.integers("batch_normalize", "0") != [0]
    keys = [f"BatchNorm2d.{tensor}" for tensor in _NORM] if has_norm else ["Conv2d.bias"]
    shapes: dict[str, tuple[int, ...]] = {f"{name}.{key}": (filters,) for key in keys}
    return shapes | {f"{name}.Conv2d.weight": (filters, in_channels // groups, size, size)}


def _sources(route: _Section, index: int) -> list[int]:
    """Numbers of the layers that a route reads; in the file, negative ones count back from it."""
    sources = [number + index if number < 0 else number for number in route.integers("layers")]
    if not all(0 <= source < index for source in sources):
        raise UsageError(f"{route.place}: layers={route.options['layers']!r} are not all before it; fix it")
    return sources
