"""Whether a checkpoint is what was written: its checksum fits, and its weights are numbers.

The checksum is the SHA-256 of the file in front of it, and stands at its end as the comment of the zip archive that
`torch.save` makes: it moves with the file, and every reader of such archives passes over it.
"""

import hashlib
import io
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from yolo_plugins.errors import UsageError
from yolo_plugins.files import write_atomically

_ARCHIVE = b"PK\x03\x04"  # first bytes of a zip archive
_END, _END_BYTES, _NO_COMMENT = b"PK\x05\x06", 22, b"\0\0"  # its last record, as torch writes it
_DIGEST_BYTES = 64  # hexadecimal digits
_REAL = {
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
}


def write_checkpoint(path: str | Path, content: Mapping[str, Any]) -> None:
    """Writes a checkpoint with its checksum, as a whole.

    Raises:
        UsageError: The disk is full.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    buffer.seek(-2, io.SEEK_END)
    buffer.write(_DIGEST_BYTES.to_bytes(2, "little"))  # the length of the comment, the last field of an archive
    buffer.write(hashlib.sha256(buffer.getbuffer()).hexdigest().encode())
    write_atomically(path, buffer.getbuffer())


def check_sum(path: Path) -> None:
    """Compares a file with its checksum; a file of others, which carries none, passes.

    Raises:
        UsageError: A byte differs, or some are missing.
    """
    if path.stat().st_size < _END_BYTES:  # an empty file cannot be mapped
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        end = data[-_END_BYTES:]
        carries_none = data[:4] != _ARCHIVE or (end.startswith(_END) and end.endswith(_NO_COMMENT))
        if not carries_none and _digest(data) != data[-_DIGEST_BYTES:]:
            raise UsageError(f"{path}: truncated or damaged, its checksum does not fit; copy or train it again")


def _digest(data: mmap.mmap) -> bytes:
    with memoryview(data) as view, view[:-_DIGEST_BYTES] as covered:
        return hashlib.sha256(covered).hexdigest().encode()


def check_weights(content: Mapping[str, Any], path: str | Path) -> None:
    """Looks at the weights of a checkpoint, averaged or in training, or of a bare state dict.

    Raises:
        UsageError: There are no weights, or a tensor holds NaN or infinity: its name.
    """
    weights = content.get("state_dict", content)
    if not isinstance(weights, Mapping):
        raise UsageError(f"{path}: its 'state_dict' is a {type(weights).__name__}, no weights; give another checkpoint")
    name = first_not_finite(content)
    if name is not None:
        raise UsageError(f"{path}: {name} holds NaN or infinite numbers; give an earlier checkpoint, or train again")


def check_tensors(weights: Mapping[Any, Any], path: str | Path) -> None:
    """Looks at what a state dict consists of.

    Raises:
        UsageError: Something else than a tensor of real numbers under a name: its key.
    """
    for key, value in weights.items():
        if not isinstance(key, str) or not _is_real(value):
            kind = f"a tensor of {value.dtype}" if torch.is_tensor(value) else f"a {type(value).__name__}"
            raise UsageError(
                f"{path}: {key!r:.80} is {kind}; a name and a tensor of real numbers belong there: give a checkpoint "
                "of a model"
            )


def _is_real(value: Any) -> bool:
    """Whether it is a tensor of real numbers, all of which are there: none that is sparse or has no data."""
    return torch.is_tensor(value) and value.dtype in _REAL and value.layout == torch.strided and not value.is_meta


def first_not_finite(content: Mapping[str, Any]) -> str | None:
    """Name of the first weight of a checkpoint, or of a bare state dict, that is not finite; None where all are."""
    averaged, trained = content.get("state_dict", content), content.get("ema_state_dict")
    weights = {**averaged, **(trained if isinstance(trained, Mapping) else {})}
    floats = ((name, value) for name, value in weights.items() if _is_real(value) and value.is_floating_point())
    return next((name for name, value in floats if not value.isfinite().all()), None)
