"""The record of a run, `work_dir/record.json`: the file between training and study, and all its keys. No torch.

Fractions are 0..1, times are seconds, epochs count from 1.
"""

import json
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypeGuard

from annotated_types import Len  # of pydantic
from typing_extensions import TypedDict  # typing's own cannot be checked by pydantic before Python 3.12

from yolo_plugins.errors import UsageError
from yolo_plugins.files import json_text, write_atomically
from yolo_plugins.versions import Git

RECORD_VERSION = 4


class EpochRow(TypedDict):
    """What one epoch measured.

    `losses` are the terms that were trained on, each the mean over the iterations and the ranks, by the name that the
    loss gives; `train_loss` is their sum. `scores` are what the evaluator returns, by its names; empty where the epoch
    was not validated. `data_seconds` is the part of `train_seconds` spent waiting for batches.
    """

    epoch: int
    train_loss: float
    losses: dict[str, float]
    train_seconds: float
    data_seconds: float
    val_seconds: float | None
    lr: float
    momentum: float | None
    scores: dict[str, float | None]
    peak_memory_bytes: int
    images: int


class Device(TypedDict):
    """Name and number of the devices in use, model of the CPU, CPU threads of one process."""

    type: str
    name: str
    count: int
    cpu: str
    threads: int


class Summary(TypedDict):
    """Figures of the run so far; None where there is none yet."""

    epochs: int
    inverse_normalized_loss: float | None
    best_ap50: float | None
    best_ap50_epoch: int | None


class Record(TypedDict):
    """What a run was, on what it ran, and what each epoch measured; docs/training.md says what each field means.

    `stopped_because` goes with the status `stopped`: a study has ended the run before its last epoch.
    """

    schema_version: int
    status: str
    config_name: str
    config_sha256: str
    modules: dict[str, str]
    protocol: dict[str, Any]
    protocol_sha256: str
    loss: str
    backbone_top1: NotRequired[float | None]
    command: str
    started: str
    resumed_after: list[int]
    seed: int
    amp: bool
    schedule: str | None
    max_epochs: int
    versions: dict[str, str | None]
    device: Device
    git: Git | None
    world_size: int
    total_batch: int
    input_hw: Annotated[list[int], Len(2, 2)] | None
    dataset_sizes: dict[str, int]
    complexity: dict[str, Any] | None
    epochs: list[EpochRow]
    summary: Summary
    stopped_because: NotRequired[str]


def read_record(path: str | Path) -> Record:
    """Reads the record of a run.

    Raises:
        UsageError: Not a record of this version; a field is missing or of another type; or an epoch is missing.
    """
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        version = record["schema_version"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        fault = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise UsageError(f"{path}: not a readable record ({fault}): move it away") from error
    if version != RECORD_VERSION:
        raise UsageError(
            f"{path}: record of version {version}, this release reads {RECORD_VERSION}: train it again, or move it away"
        )
    try:
        _validator().validate_python(record, strict=True)
    except ValueError as error:
        raise UsageError(f"{path}: the record is damaged ({_place(error)}): train it again, or move it away") from error
    numbers = [row["epoch"] for row in record["epochs"]]
    if numbers != list(range(1, len(numbers) + 1)):
        raise UsageError(
            f"{path}: the record is damaged (its rows are of the epochs {numbers}): train it again, or move it away"
        )
    return record


@cache
def _validator() -> Any:
    from pydantic import TypeAdapter  # a tenth of a second, for those who read

    return TypeAdapter(Record)


def _place(error: Any) -> str:
    """The first fault that pydantic found, with its place: `epochs.3.lr: Input should be a valid number`."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def write_record(path: str | Path, record: Record) -> None:
    """Writes the record with an up-to-date summary, atomically; numbers that are not finite become null.

    Raises:
        UsageError: The disk is full.
    """
    content = {**record, "summary": summarize_epochs(record["epochs"])}
    write_atomically(path, (json_text(content, indent=1) + "\n").encode())


def summarize_epochs(epochs: Sequence[EpochRow]) -> Summary:
    """Figures of the run so far: finished epochs, inverse normalised loss, best AP50 and its epoch (None: none)."""
    losses = [row["train_loss"] for row in epochs]
    measured = bool(losses) and all(_is_finite(loss) and loss > 0 for loss in losses)
    scored = {row["epoch"]: ap50 for row in epochs if _is_finite(ap50 := row["scores"].get("ap50"))}
    best = max(scored, key=lambda epoch: scored[epoch], default=None)
    return {
        "epochs": len(epochs),
        "inverse_normalized_loss": inverse_normalized_loss(losses) if measured else None,
        "best_ap50": None if best is None else scored[best],
        "best_ap50_epoch": best,
    }


def _is_finite(value: float | None) -> TypeGuard[float]:
    """Whether it is a number: to the run that measures a value it may be NaN, which its record states as null."""
    return value is not None and math.isfinite(value)


def inverse_normalized_loss(train_losses: Sequence[float]) -> float:
    """The paper's loss metric: largest over last training loss, with epoch means; at least 1, larger is better.

    Normalised loss = training loss / the largest training loss of the run (Chai & Zhao). It depends on the spike
    of the first epochs, hence on the warm-up.

    Raises:
        ValueError: No epoch, or a loss that is not positive and finite.
    """
    if not train_losses or not all(math.isfinite(loss) and loss > 0 for loss in train_losses):
        raise ValueError(f"inverse normalised loss needs positive finite losses, got {list(train_losses)}")
    return max(train_losses) / train_losses[-1]
