"""Checkpoint files read without running what is in them: a pickle is a program.

`load_checkpoint` is for MMEngine's files (ours), by torch's `weights_only` reader and a short allow-list.
`read_official_state_dict` is for official files of the YOLO families, which hold pickled modules of packages that are
not here: names other than tensors and plain containers become inert objects, out of which the tensors are then taken.
"""

import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor

from yolo_plugins.errors import UsageError

# --- our checkpoints


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Reads a checkpoint that MMEngine wrote, onto the CPU.

    Args:
        path: file with a dict of tensors, numbers, texts, containers, numpy arrays of numbers and log histories.

    Returns:
        The dict, such as `meta`, `state_dict`, `message_hub`, `optimizer`; or a bare state dict.

    Raises:
        UsageError: no such file, truncated, not a checkpoint, or a global in it that is not on the allow-list.
    """
    path = _existing(path)
    try:
        with torch.serialization.safe_globals(_ALLOWED):
            content = _without_stand_ins(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # a faulty file can raise anything
        refused = re.search(r"GLOBAL (\S+) (?:was not|whose)", str(error))
        if refused:
            raise UsageError(
                f"{path}: loading it would run {refused[1]}, which is refused; give a checkpoint of tools/train.py, or "
                "convert an official file by tools/convert_weights.py"
            ) from error
        raise UsageError(
            f"{path}: truncated, or not a checkpoint ({_first_line(error)}); copy or train it again"
        ) from error
    if not isinstance(content, dict):
        raise UsageError(f"{path}: holds a {type(content).__name__}, not a checkpoint's dict; give a checkpoint")
    return content


# Numpy's own classes must not be built by a pickle: raw bytes as an array of objects is a way to run code. So these
# stand in for them, take numbers only, and are replaced once the file is read.


class _NumberType:
    """Stands in for `numpy.dtype`."""

    def __init__(self, code: str, *_: Any) -> None:
        if not re.fullmatch(r"b1|[iu][1248]|f[248]", code):
            raise pickle.UnpicklingError(f"GLOBAL numpy.dtype[{code}] was not an allowed global")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _NumberArray:
    """Stands in for `numpy.ndarray`."""

    value: np.ndarray

    def __setstate__(self, state: tuple) -> None:
        _, shape, number_type, is_fortran, data = state
        values = np.frombuffer(data, number_type.dtype)
        self.value = values.reshape(shape, order="F" if is_fortran else "C").copy()


class _History:
    """Stands in for MMEngine's `HistoryBuffer`."""

    def __setstate__(self, state: dict) -> None:
        self.arguments = [state[name] for name in ("_log_history", "_count_history", "max_length")]


def _number(number_type: _NumberType, data: bytes) -> np.generic:
    return np.frombuffer(data, number_type.dtype)[0]


def _new_array(*_: Any) -> _NumberArray:
    return _NumberArray()


def _no_bytes() -> bytes:
    """Stands in for `bytes`, as which a pickle writes an empty array's data."""
    return b""


def _statistics_method(owner: Any, name: str) -> None:
    """Stands in for `getattr`, by which a pickled history names its four functions; gives nothing."""
    if owner is not _History or name not in ("current", "max", "mean", "min"):
        raise pickle.UnpicklingError("GLOBAL builtins.getattr was not an allowed global")


# what MMEngine's checkpoints refer to beside tensors and plain containers
_ALLOWED: list[Any] = [
    (_History, "mmengine.logging.history_buffer.HistoryBuffer"),
    (_statistics_method, "builtins.getattr"),
    (_no_bytes, "builtins.bytes"),
    (_NumberType, "numpy.dtype"),
    (_NumberArray, "numpy.ndarray"),
    *((_new_array, f"{core}.multiarray._reconstruct") for core in ("numpy._core", "numpy.core")),  # numpy 2 and 1
    *((_number, f"{core}.multiarray.scalar") for core in ("numpy._core", "numpy.core")),
]


def _without_stand_ins(content: Any) -> Any:
    """The content with arrays and histories in place of what stood in for them; containers change in place."""
    if isinstance(content, _NumberArray):
        return content.value
    if isinstance(content, _History):
        return HistoryBuffer(*map(_without_stand_ins, content.arguments))
    if isinstance(content, dict):
        content.update({key: _without_stand_ins(value) for key, value in content.items()})
    elif isinstance(content, list):
        content[:] = map(_without_stand_ins, content)
    elif type(content) is tuple:
        return tuple(map(_without_stand_ins, content))
    return content


# --- official checkpoints

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


def read_official_state_dict(path: str | Path) -> "OrderedDict[str, Tensor]":
    """Reads the weights of an official `.pt` file, or of a file with a plain state dict.

    Args:
        path: file by torch >= 1.6 (a zip archive) with a dict that holds `ema` or `model`, each a pickled module or a
            state dict; or a state dict, alone or under `state_dict`. `ema` is preferred where it is there.

    Returns:
        Parameters and persistent buffers under the official names; floating-point tensors as float32.

    Raises:
        UsageError: no such file, an older format, TorchScript, truncated, or without weights.
    """
    path = _existing(path)
    try:
        content = _read_inert(path)
        state_dict = _find_state_dict(content)
    except UsageError:
        raise
    except Exception as error:  # a faulty file can raise anything
        raise UsageError(
            f"{path}: truncated, or not a PyTorch checkpoint ({_first_line(error)}); download it again"
        ) from error
    if not state_dict:
        found = (
            f"keys {', '.join(map(str, list(content)[:5]))}" if isinstance(content, Mapping) else type(content).__name__
        )
        raise UsageError(f"{path}: holds no weights (found {found}); give an official .pt file or a state dict")
    return OrderedDict((name, _own(tensor)) for name, tensor in state_dict.items())


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


def _find_state_dict(content: Any) -> dict[str, Tensor]:
    """The first weights among `ema`, `model`, `state_dict` and the content itself; empty when there are none."""
    places = [content.get(key) for key in ("ema", "model", "state_dict")] if isinstance(content, dict) else []
    for place in (*places, content):
        if isinstance(place, _Inert):
            weights = _walk(place)
        else:
            weights = dict(place) if isinstance(place, dict) and _is_state_dict(place) else {}
        if weights:
            return weights
    return {}


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


def _own(tensor: Tensor) -> Tensor:
    """A copy in memory of its own, float32 where floating point."""
    return tensor.to(torch.float32 if tensor.is_floating_point() else tensor.dtype, copy=True).contiguous()


# --- both


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"{path}: no such checkpoint file; check the path")
    return path


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
