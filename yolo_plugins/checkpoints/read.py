"""Checkpoint files of MMEngine (ours), read without running what is in them: a pickle is a program.

torch's `weights_only` reader with a short allow-list reads them; `official` reads the YOLO families' own files.
"""

import hashlib
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor, nn

from yolo_plugins.checkpoints.soundness import check_sum, check_tensors, check_weights
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import first_line, refused_program, some
from yolo_plugins.files import EXPORTED


def load_checkpoint(path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Reads a checkpoint that MMEngine wrote.

    `meta["config"]`, a text of older checkpoints, is left out: MMEngine's `Runner.resume` would run it.

    Args:
        path: file with a dict of tensors, numbers, texts, containers, numpy arrays of numbers and log histories.
        map_location: where the tensors go, as `torch.load` takes it.

    Returns:
        The dict, such as `meta`, `state_dict`, `message_hub`, `optimizer`; or a bare state dict.

    Raises:
        UsageError: no such file, truncated, damaged (its checksum does not fit), not a checkpoint, a global in it that
            is not on the allow-list, or weights that are not finite.
    """
    path = existing(path)
    check_sum(path)
    content = read_data(path, path, map_location)
    if not isinstance(content, dict):
        raise UsageError(f"{path}: holds a {type(content).__name__}, not a checkpoint's dict; give a checkpoint")
    if isinstance(content.get("meta"), dict):
        content["meta"].pop("config", None)
    check_weights(content, path)
    return content


def load_weights(path: str | Path) -> dict[str, Any]:
    """Reads a checkpoint for a model: as `load_checkpoint`, with a bare state dict under `state_dict`, too.

    Raises:
        UsageError: As `load_checkpoint`, or its state dict holds something else than tensors of real numbers.
    """
    content = load_checkpoint(path)
    checkpoint = content if "state_dict" in content else {"state_dict": content}
    check_tensors(checkpoint["state_dict"], path)
    return checkpoint


def read_data(
    file: Path | BinaryIO,
    name: str | Path,
    map_location: Any = "cpu",
    kind: str = "checkpoint",
    remedy: str = "give a checkpoint of ours, or convert an official file by yolo-plugins convert-weights",
) -> Any:
    """Reads what `torch.save` wrote, as far as it is data: the one place where a pickle is loaded.

    Args:
        file: path, or a file open for reading.
        name: what messages call it.
        map_location: as of `load_checkpoint`.
        kind: what the file should be.
        remedy: what to do where it would run code.

    Raises:
        UsageError: truncated, of another kind, or a global in it that is not on the allow-list.
    """
    try:
        with torch.serialization.safe_globals(_ALLOWED), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what torch then refuses
            return _without_stand_ins(torch.load(file, map_location=map_location, weights_only=True))
    except Exception as error:  # a faulty file can raise anything
        if program := refused_program(error):
            raise UsageError(f"{name}: loading it would run {program}, which is refused; {remedy}") from error
        cause = str(error).rpartition("WeightsUnpickler error:")[2]  # without torch's advice to load it all the same
        reason = first_line(Exception(cause.strip() or type(error).__name__))
        raise UsageError(f"{name}: truncated, or not a {kind} ({reason}); copy or train it again") from error


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
    (slice, "builtins.slice"),
    (_NumberType, "numpy.dtype"),
    (_NumberArray, "numpy.ndarray"),
    *((_new_array, f"{core}.multiarray._reconstruct") for core in ("numpy._core", "numpy.core")),  # numpy 2 and 1
    *((_number, f"{core}.multiarray.scalar") for core in ("numpy._core", "numpy.core")),
]


def _without_stand_ins(content: Any) -> Any:
    """The content with the objects themselves in place of what stood in for them; containers change in place."""
    if isinstance(content, _NumberArray):
        return content.value
    if isinstance(content, _NumberType):
        return content.dtype
    if isinstance(content, _History):
        return HistoryBuffer(*map(_without_stand_ins, content.arguments))
    if isinstance(content, dict):
        for key, value in content.items():
            content[key] = _without_stand_ins(value)  # `update` would add up the numbers of a `Counter`
    elif isinstance(content, list):
        content[:] = map(_without_stand_ins, content)
    elif type(content) is tuple:
        return tuple(map(_without_stand_ins, content))
    return content


def weights_sha256(weights: Mapping[str, Tensor]) -> str:
    """A checksum of names, types, shapes and values, whatever the order and the device."""
    sha = hashlib.sha256()
    for key, value in sorted(weights.items()):
        sha.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
        sha.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return sha.hexdigest()


def check_fits(
    model: nn.Module,
    state_dict: Mapping[str, Tensor],
    filename: str,
    remedy: str = "give the config it was trained with",
) -> None:
    """Compares keys and shapes of a state dict with those of a model.

    Raises:
        UsageError: One line with the numbers and the first names of missing, unexpected and misshapen entries.
    """
    own = model.state_dict()
    missing = [key for key in own if key not in state_dict]
    unexpected = [key for key in state_dict if key not in own]
    misshapen = [
        f"{key} {tuple(state_dict[key].shape)} instead of {tuple(own[key].shape)}"
        for key in own
        if key in state_dict and state_dict[key].shape != own[key].shape
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": misshapen}
    faults = [f"{len(names)} {kind} ({some(names)})" for kind, names in kinds.items() if names]
    if faults:
        raise UsageError(f"{filename}: not a checkpoint of this {type(model).__name__}: {'; '.join(faults)}: {remedy}")


def existing(path: str | Path) -> Path:
    """The path of a file of weights.

    Raises:
        UsageError: There is none, or it is an exported network.
    """
    path = Path(path)
    if path.suffix in EXPORTED.values():
        raise UsageError(
            f"{path}: an exported file, which is run and not loaded as weights; give the checkpoint that it was made of"
        )
    if not path.is_file():
        raise UsageError(f"{path}: no such checkpoint file; check the path")
    return path
