"""Measures each epoch and keeps `work_dir/record.json` up to date."""

import contextlib
import logging
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer, print_log
from mmengine.runner import Runner

from yolo_plugins.config import describe_config, size_hw
from yolo_plugins.costs.complexity import summarize
from yolo_plugins.engine import run_description
from yolo_plugins.engine.loss_terms import loss_terms
from yolo_plugins.engine.recipe import backbone_top1
from yolo_plugins.engine.schedule_hook import ScheduleHook, total_batch_size
from yolo_plugins.engine.unwrapped import unwrapped
from yolo_plugins.engine.work_dir import RECORD
from yolo_plugins.errors import UsageError
from yolo_plugins.files import keep_aside
from yolo_plugins.masking import command_line
from yolo_plugins.protocol import loss_name, protocol_of, sha256_of
from yolo_plugins.record import RECORD_VERSION, EpochRow, Record, read_record, summarize_epochs, write_record
from yolo_plugins.registry import HOOKS
from yolo_plugins.versions import describe_git

ROW_KEY = "epoch_row"  # where the row of the running epoch lies in the message hub, for other hooks
HISTORY_KEY = "history"  # where what a resumed run takes over lies in it, for the checkpoint
_LOG_WINDOW = 1000  # iterations


@HOOKS.register_module()
class RunRecordHook(Hook):
    """Writes the record after each epoch's training and again after its validation.

    Losses are means over the iterations of the epoch and over the ranks; times and memory are those of rank 0, which
    alone writes. `data_seconds` is the part of `train_seconds` spent waiting for batches. The message hub, and with
    it each checkpoint, carries the rows so far, so that a run can be continued without its record. On resuming, the
    rows of epochs that will be trained again are dropped; a damaged record is kept aside.
    """

    priority = 55  # after EMAHook, before LoggerHook, which resets CUDA's peak memory

    def __init__(self) -> None:
        self._record: Record | None = None  # None outside of a training

    def before_train(self, runner: Runner) -> None:
        """Opens the record: new, or the earlier one without the epochs that are to come.

        Raises:
            UsageError: The folder holds the record of another run, or nothing tells what the epochs before measured.
        """
        self._path = Path(runner.work_dir) / RECORD
        self._device = next(runner.model.parameters()).device
        record = _describe(runner, self._device)
        if runner.epoch > 0:
            history = runner.message_hub.get_info(HISTORY_KEY, None)
            if runner.rank == 0:
                history = _earlier(self._path, history, runner.epoch)
            if history is not None:
                record["started"], record["epochs"] = history["started"], history["epochs"]
                record["resumed_after"] = [*history["resumed_after"], runner.epoch]
        self._record = record  # from here on it is written, also where the run breaks off
        self._write(runner)

    def before_train_epoch(self, runner: Runner) -> None:
        """Starts the clocks and sums of an epoch."""
        _bound_log_history(runner)
        self._sums: dict[str, float] = {}
        self._iterations, self._images, self._data_seconds, self._peak = 0, 0, 0.0, 0
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        self._epoch_start = self._wait_start = time.perf_counter()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Counts the wait for this batch."""
        self._data_seconds += time.perf_counter() - self._wait_start

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Adds up the loss terms and the images of this iteration."""
        for term, value in loss_terms(outputs).items():
            self._sums[term] = self._sums.get(term, 0.0) + value
        self._iterations += 1
        self._images += len(data_batch["inputs"])
        self._peak = max(self._peak, run_description.peak_memory_bytes(self._device))
        self._wait_start = time.perf_counter()

    def after_train_epoch(self, runner: Runner) -> None:
        """Writes the row of the epoch, with null metrics."""
        seconds = time.perf_counter() - self._epoch_start
        terms, images = self._over_ranks()
        group = runner.optim_wrapper.optimizer.param_groups[0]
        row: EpochRow = {
            "epoch": runner.epoch + 1,
            "train_loss": sum(terms.values()),
            "losses": terms,
            "train_seconds": seconds,
            "data_seconds": self._data_seconds,
            "val_seconds": None,
            "lr": group["lr"],
            "momentum": group.get("momentum"),
            "scores": {},
            "peak_memory_bytes": self._peak,
            "images": images,
        }
        self._training_record["epochs"].append(row)
        runner.message_hub.update_info(ROW_KEY, row)
        self._write(runner)

    def before_val_epoch(self, runner: Runner) -> None:
        """Starts the clock of the validation."""
        self._val_start = time.perf_counter()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Completes the row of the epoch."""
        if self._record is None or not self._record["epochs"]:
            return
        row = self._record["epochs"][-1]
        row["val_seconds"] = time.perf_counter() - self._val_start
        row["scores"] = {name: float(value) for name, value in (metrics or {}).items()}
        row["peak_memory_bytes"] = max(row["peak_memory_bytes"], run_description.peak_memory_bytes(self._device))
        self._write(runner)

    def after_run(self, runner: Runner) -> None:
        """Marks the record of a training as complete, now that its last checkpoint is saved."""
        if self._record is not None:
            self._record["status"] = "complete"
            self._write(runner)
            self._record = None

    def after_stop(self, runner: Runner, status: str) -> None:
        """Marks the record as `interrupted` or `failed`; `YOLORunner` calls it."""
        if self._record is not None:
            self._record["status"] = status
            with contextlib.suppress(UsageError, OSError):  # the reason for the stop is the one to be reported
                self._write(runner)

    @property
    def _training_record(self) -> Record:
        if self._record is None:
            raise RuntimeError("RunRecordHook: an epoch ended outside of a training")
        return self._record

    def _over_ranks(self) -> tuple[dict[str, float], int]:
        """(mean of each loss term over all iterations of all ranks, images of all ranks)."""
        sums = torch.tensor([*self._sums.values(), self._iterations, self._images], dtype=torch.float64)
        all_reduce(sums)
        *totals, iterations, images = sums.tolist()
        return {term: total / iterations for term, total in zip(self._sums, totals, strict=True)}, round(images)

    def _write(self, runner: Runner) -> None:
        record = self._training_record
        runner.message_hub.update_info(HISTORY_KEY, _history(record))
        if runner.rank == 0:
            write_record(self._path, record)


def _earlier(path: Path, carried: dict[str, Any] | None, epoch: int) -> dict[str, Any]:
    """What a run that goes on after so many epochs takes over from its record, else from its checkpoint.

    A record that cannot be read is kept aside. Raises as `RunRecordHook.before_train`.
    """
    found = None
    if path.exists():
        try:
            record = read_record(path)
            found = _history(record)
        except UsageError as error:
            aside = keep_aside(path)
            warnings.warn(f"{error.args[0]}; kept as {aside.name}, the checkpoint's rows are taken", stacklevel=2)
    kept = [
        {**history, "epochs": [row for row in history["epochs"] if row["epoch"] <= epoch]}
        for history in (found, carried)
        if history is not None
    ]
    complete = [history for history in kept if len(history["epochs"]) == epoch]
    if len(complete) == 2 and _losses(complete[0]) != _losses(complete[1]):
        raise UsageError(
            f"{path}: is of another run than the checkpoint (their losses differ): resume it in its own work folder, "
            "or choose another --work-dir"
        )
    if not complete:
        raise UsageError(
            f"{path}: does not tell what epochs 1 to {epoch} measured, nor does the checkpoint: resume from another "
            "checkpoint, or start a new run with load_from"
        )
    return complete[0]


def _history(record: Record) -> dict[str, Any]:
    return {name: record[name] for name in ("started", "resumed_after", "epochs")}


def _losses(history: dict[str, Any]) -> list[float]:
    return [row["train_loss"] for row in history["epochs"]]


def _describe(runner: Runner, device: torch.device) -> Record:
    """Everything about the run that is known before its first epoch."""
    model = unwrapped(runner.model)
    schedules = [hook.schedule for hook in runner.hooks if isinstance(hook, ScheduleHook)]
    protocol = protocol_of(runner.recipe)
    input_hw = _input_hw(runner.train_dataloader.dataset)
    sizes = {"train": len(runner.train_dataloader.dataset)}
    if runner.val_loop is not None:
        sizes["val"] = len(runner.val_dataloader.dataset)
    return {
        "schema_version": RECORD_VERSION,
        "status": "running",
        **describe_config(runner.cfg),
        "protocol": protocol,
        "protocol_sha256": sha256_of(protocol),
        "loss": loss_name(runner.cfg.to_dict()),
        "backbone_top1": backbone_top1(model, runner.recipe),
        "command": command_line(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "resumed_after": [],
        "seed": runner.seed,
        "amp": bool(runner.cfg.optim_wrapper.get("amp")),
        "schedule": schedules[0] if schedules else None,
        "max_epochs": runner.max_epochs,
        "versions": run_description.describe_versions(),
        "device": run_description.describe_device(device, runner.world_size),
        "git": describe_git(),
        "world_size": runner.world_size,
        "total_batch": total_batch_size(runner),
        "input_hw": input_hw,
        "dataset_sizes": sizes,
        "complexity": _complexity(model, input_hw) if input_hw is not None and runner.rank == 0 else None,
        "epochs": [],
        "summary": summarize_epochs([]),
    }


def _input_hw(dataset: Any) -> list[int] | None:
    """[height, width] of the training input in pixels; None for a data set that has no fixed `img_size`."""
    size = getattr(dataset, "img_size", None)
    return None if size is None else list(size_hw(size))


def _complexity(model: torch.nn.Module, input_hw: list[int]) -> dict[str, Any]:
    counts = summarize(model, (input_hw[0], input_hw[1]))
    if counts["latency_seconds"] is None:
        sentence = f"the record has no latency, because the machine was busy: {counts['latency_machine']}"
        print_log(sentence, "current", logging.WARNING)
    return counts


def _bound_log_history(runner: Runner) -> None:
    """Keeps MMEngine's log scalars to a window, because it copies the whole history at each new value."""
    scalars = runner.message_hub.log_scalars
    for key, history in scalars.items():
        values, counts = history.data
        scalars[key] = HistoryBuffer(values[-_LOG_WINDOW:], counts[-_LOG_WINDOW:], max_length=_LOG_WINDOW)
