"""Official files of the YOLO families, read without running what is in them: a pickle is a program.

They hold pickled modules of packages that are not here: names other than tensors and plain containers become inert
objects, out of which the tensors are then taken.
"""

import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from yolo_plugins.checkpoints.read import existing
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import first_line

_STORAGE_DTYPES = {
    "BFloat16Storage": torch.bfloat16,
    "BoolStorage": torch.bool,
    "ByteStorage": torch.uint8,
    "CharStorage": torch.int8,
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
    "ShortStorage": torch.int16,
}
_CONTAINERS: dict[str, type] = {
    "collections.OrderedDict": OrderedDict,
    "torch.Size": tuple,
    **{
        f"{module}.{kind.__name__}": kind for module in ("__builtin__", "builtins") for kind in (dict, list, set, tuple)
    },
}
_ZIP_MAGIC = b"PK\x03\x04"


class OfficialWeights(NamedTuple):
    """What an official file holds.

    Attributes:
        state_dict: Parameters and persistent buffers under the official names; floating-point tensors as float32.
        classes: What the file states as their names, a list in their order if it is sound; None where it does not say.
        norm_eps: What its norms add to the variance; None where the file does not say, or they differ.
        is_module: Whether they came out of a pickled module, and not out of a plain state dict.
    """

    state_dict: "OrderedDict[str, Tensor]"
    classes: Any = None
    norm_eps: float | None = None
    is_module: bool = False


def read_official(path: str | Path) -> OfficialWeights:
    """Reads an official `.pt` file, or a file with a plain state dict.

    Args:
        path: file by torch >= 1.6 (a zip archive) with a dict that holds `ema` or `model`, each a pickled module or a
            state dict; or a state dict, alone or under `state_dict`. `ema` is preferred where it is there.

    Raises:
        UsageError: no such file, an older format, TorchScript, truncated, or without weights.
    """
    path = existing(path)
    try:
        content = _read_inert(path)
        place, state_dict = _find_state_dict(content)
        classes, eps = _class_names(place), {norm.state["eps"] for norm in _norms(place)}
    except UsageError:
        raise
    except Exception as error:  # a faulty file can raise anything
        raise UsageError(
            f"{path}: truncated, or not a PyTorch checkpoint ({first_line(error)}); download it again"
        ) from error
    if not state_dict:
        found = (
            f"keys {', '.join(map(str, list(content)[:5]))}" if isinstance(content, Mapping) else type(content).__name__
        )
        raise UsageError(f"{path}: holds no weights (found {found}); give an official .pt file or a state dict")
    own = OrderedDict((name, _own(tensor)) for name, tensor in state_dict.items())
    return OfficialWeights(own, classes, eps.pop() if len(eps) == 1 else None, isinstance(place, _Inert))


def _read_inert(path: Path) -> Any:
    """What the pickle in the archive describes, with inert objects in place of everything unknown."""
    with path.open("rb") as file:
        if file.read(len(_ZIP_MAGIC)) != _ZIP_MAGIC:
            raise UsageError(
                f"{path}: not a PyTorch zip archive; download it again, or save a file older than torch 1.6 anew"
            )
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if re.fullmatch(r"[^/]+/(data|constants)\.pkl", name)]
        if len(names) != 1 or not names[0].endswith("/data.pkl"):
            kind = "a TorchScript archive" if names else "a zip archive without PyTorch data"
            raise UsageError(f"{path}: {kind}; give the training checkpoint, an official .pt file")
        with archive.open(names[0]) as file:
            return _InertUnpickler(file, archive, names[0].removesuffix(".pkl")).load()


class _Inert:
    """An object of an unknown class, or the result of an unknown function: keeps its state, does nothing."""

    state: Any

    def __new__(cls, *args: Any, **kwargs: Any) -> "_Inert":
        self = super().__new__(cls)
        self.state = {}
        return self

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __call__(self, *args: Any, **kwargs: Any) -> "_Inert":
        return _Inert()

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        pass

    def extend(self, values: Any) -> None:
        pass


class _InertUnpickler(pickle.Unpickler):
    """Builds tensors and plain containers itself and resolves no other name."""

    def __init__(self, file: Any, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(file, encoding="utf-8")
        self._archive, self._folder = archive, folder
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if module_name == "torch" and global_name in _STORAGE_DTYPES:
            return _STORAGE_DTYPES[global_name]
        if module_name == "torch._utils" and global_name in ("_rebuild_tensor", "_rebuild_tensor_v2"):
            return self._tensor
        if module_name == "torch._utils" and global_name == "_rebuild_parameter":
            return self._parameter
        return _CONTAINERS.get(f"{module_name}.{global_name}") or type("Inert", (_Inert,), {})

    def persistent_load(self, pid: Any) -> Tensor:
        """(n,) elements of the storage that ("storage", dtype, key, device, n) names."""
        _, dtype, key, _, count = pid
        if key not in self._storages:
            data = self._archive.read(f"{self._folder}/{key}")
            empty = torch.zeros(0, dtype=dtype)
            self._storages[key] = torch.frombuffer(bytearray(data), dtype=dtype, count=count) if count else empty
        return self._storages[key]

    # bound methods, as a pickle could set attributes of a function

    def _tensor(self, storage: Tensor, offset: int, size: tuple, stride: tuple, *_: Any) -> Tensor:
        return torch.as_strided(storage, size, stride, offset)  # refuses what lies outside of the storage

    def _parameter(self, data: Tensor, *_: Any) -> Tensor:
        return data


def _find_state_dict(content: Any) -> tuple[Any, dict[str, Tensor]]:
    """The first place with weights among `ema`, `model`, `state_dict` and the content itself, and these weights."""
    places = [content.get(key) for key in ("ema", "model", "state_dict")] if isinstance(content, dict) else []
    for place in (*places, content):
        if isinstance(place, _Inert):
            weights = _walk(place)
        else:
            weights = dict(place) if isinstance(place, dict) and _is_state_dict(place) else {}
        if weights:
            return place, weights
    return None, {}


def _class_names(place: Any) -> Any:
    """The `names` of a module, in the order of their numbers where they go by them; None where it has none."""
    state = place.state if isinstance(place, _Inert) else None
    names = state.get("names") if isinstance(state, dict) else None
    if isinstance(names, dict) and names.keys() == set(range(len(names))):
        return tuple(names[number] for number in range(len(names)))
    return names


def _is_state_dict(content: dict) -> bool:
    return all(isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items())


def _walk(module: _Inert, prefix: str = "") -> dict[str, Tensor]:
    """Parameters and persistent buffers of a module and, depth first, of its children."""
    state = module.state if isinstance(module.state, dict) else {}
    volatile = state.get("_non_persistent_buffers_set", ())
    tensors = {**state.get("_parameters", {}), **state.get("_buffers", {})}
    found = {
        f"{prefix}{name}": tensor
        for name, tensor in tensors.items()
        if isinstance(tensor, Tensor) and name not in volatile
    }
    for name, child in state.get("_modules", {}).items():
        if isinstance(child, _Inert):
            found |= _walk(child, f"{prefix}{name}.")
    return found


def _norms(module: Any) -> Iterator[_Inert]:
    """The norm layers within a pickled module that state their epsilon."""
    state = module.state if isinstance(module, _Inert) and isinstance(module.state, dict) else {}
    if "running_var" in state.get("_buffers", {}) and type(state.get("eps")) is float:
        yield module
    for child in state.get("_modules", {}).values():
        yield from _norms(child)


def _own(tensor: Tensor) -> Tensor:
    """A copy in memory of its own, float32 where floating point."""
    return tensor.to(torch.float32 if tensor.is_floating_point() else tensor.dtype, copy=True).contiguous()
