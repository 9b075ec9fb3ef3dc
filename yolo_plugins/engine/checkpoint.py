"""Checkpoints that are either complete or not there, and never replace the last good one before they are complete."""

import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from yolo_plugins.checkpoints.read import load_checkpoint
from yolo_plugins.engine.epochs import validation_follows
from yolo_plugins.engine.work_dir import LAST
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import suggest
from yolo_plugins.files import write_atomically
from yolo_plugins.registry import HOOKS

_WORST = {"greater": float("-inf"), "less": float("inf")}
# Options of MMEngine's hook that have one value here, and what to do for another one.
_FIXED: dict[str, tuple[Any, str]] = {
    "by_epoch": (True, "a checkpoint stands for a finished epoch"),
    "save_last": (True, "a run is continued from its last epoch; remove the option"),
    "save_optimizer": (True, "a run is continued with its optimizer; best_*.pth hold the weights alone"),
    "save_param_scheduler": (True, "the schedule has no state to save; remove the option"),
    "save_begin": (0, "choose an interval and max_keep_ckpts"),
    "out_dir": (None, "name the folder by work_dir, or --work-dir"),
    "filename_tmpl": (None, "the files are epoch_{n}.pth; rename them after the run"),
    "published_keys": (None, "set save_best: best_*.pth hold the weights alone"),
    "greater_keys": (None, "set rule='greater'"),
    "less_keys": (None, "set rule='less'"),
    "file_client_args": (None, "checkpoints are local files; copy them after the run"),
    "backend_args": (None, "checkpoints are local files; copy them after the run"),
}


def latest_checkpoint(work_dir: str | Path) -> str | None:
    """Path of the checkpoint from which to resume a run, also after its directory was moved; None for a new one.

    That is the one which the directory names, or else the newest sound one, about which a warning is given.

    Raises:
        UsageError: There are checkpoints, and none is sound; or one is named, and there is none.
    """
    folder = Path(work_dir)
    named, faults = _named(folder)
    epochs = _newest_first(folder)
    for path in dict.fromkeys([*named, *epochs]):
        fault = _fault(path)
        if fault is None:
            if faults:
                print_log(f"{'; '.join(faults)}: resuming from {path}", "current", logging.WARNING)
            return str(path)
        faults.append(fault)
    if not epochs and not (folder / LAST).exists():
        return None
    raise UsageError(f"{'; '.join(faults)}: no checkpoint to resume from; restore one, or start a new run")


def newest_sound(folder: str | Path) -> str | None:
    """Path of the newest `epoch_{n}.pth` of a folder that can be read; None where there is none."""
    return next((str(path) for path in _newest_first(Path(folder)) if _fault(path) is None), None)


def _named(folder: Path) -> tuple[list[Path], list[str]]:
    """(the checkpoint that a directory names, if it is there; what is wrong where it is not)."""
    pointer = folder / LAST
    if not pointer.is_file():
        return [], [f"{pointer}: no such file"]
    recorded = Path(pointer.read_text(errors="replace").strip())
    for path in (folder / recorded.name, recorded):  # MMEngine's hook may save to another folder
        if os.path.isfile(path):
            return [path], []
    return [], [f"{pointer}: names {recorded.name!r:.80}, which is not there"]


def _newest_first(folder: Path) -> list[Path]:
    """The files `epoch_{n}.pth` of a folder, the largest n first."""
    numbered = [(re.fullmatch(r"epoch_(\d+)\.pth", path.name), path) for path in folder.glob("epoch_*.pth")]
    epochs = [(int(name[1]), path) for name, path in numbered if name]
    return [path for _, path in sorted(epochs, reverse=True)]


def _fault(path: Path) -> str | None:
    """Why a checkpoint cannot be read; None for a sound one."""
    try:
        load_checkpoint(path)
    except UsageError as error:
        return str(error).partition("; ")[0]  # without the remedy, which is another checkpoint
    return None


@HOOKS.register_module()
class AtomicCheckpointHook(Hook):
    """Saves `epoch_{n}.pth`, and `best_{metric}_epoch_{n}.pth` when the metric is better than ever.

    A checkpoint stands for a finished epoch, validation included, so that a run killed while it validates does it
    again. MMEngine's hook saves before the validation, once more after it, and deletes old files before it saves.
    The last epoch is always saved, also where another hook ends the run early. Needs `YOLORunner`, which writes files
    as a whole.

    Args:
        interval: Epochs from one checkpoint to the next.
        max_keep_ckpts: Number of the newest `epoch_{n}.pth` to keep; -1 keeps all.
        save_best: Name of the metric, or of each, whose best epoch is kept beside them; `auto` for the first that the
            evaluator returns; None for none.
        rule: What is better, for all metrics or for each: `greater` (None too) or `less`.
        **fixed: Options of MMEngine's hook that have one value here.

    Raises:
        UsageError: An option that does not exist, or has another value here.
    """

    priority = "VERY_LOW"

    def __init__(
        self,
        interval: int = 1,
        max_keep_ckpts: int = -1,
        save_best: str | Sequence[str] | None = None,
        rule: str | Sequence[str] | None = None,
        **fixed: Any,
    ) -> None:
        _refuse_other_values(fixed)
        if interval < 1:
            raise UsageError(
                f"checkpoint.interval={interval}: give the epochs from one checkpoint to the next, 1 or more"
            )
        self.interval, self._max_keep = interval, max_keep_ckpts
        self._rules = _pair(save_best, rule)
        self._training = False

    def before_train(self, runner: Runner) -> None:
        """Remembers that validations from here on belong to a training; removes what a killed run had yet to remove."""
        self._training = True
        if self._max_keep > 0:
            oldest = min(runner.message_hub.get_info("keep_ckpt_ids", []), default=1)
            _remove(runner, [self._path(runner, earlier) for earlier in range(1, oldest)], keep=[])

    def after_train(self, runner: Runner) -> None:
        """Saves the last epoch if the interval left it out; a validation that comes later belongs to no training."""
        self._training = False
        if runner.message_hub.get_info("keep_ckpt_ids", [])[-1:] != [runner.epoch]:
            self._save_epoch(runner, runner.epoch)

    def after_train_epoch(self, runner: Runner) -> None:
        """Saves where no validation is to come."""
        if not validation_follows(runner) and self._is_due(runner.epoch + 1):
            self._save_epoch(runner, runner.epoch + 1)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Saves the epoch that has been validated, first of all if it is the best."""
        if self._training:
            for metric, rule in self._rules.items():
                self._save_if_best(runner, metric, rule, metrics or {})
            if self._is_due(runner.epoch):
                self._save_epoch(runner, runner.epoch)

    def _is_due(self, epoch: int) -> bool:
        return epoch % self.interval == 0

    def _save_if_best(self, runner: Runner, metric: str, rule: str, metrics: dict[str, float]) -> None:
        metric = next(iter(metrics), metric) if metric == "auto" else metric
        if metric not in metrics:
            raise UsageError(
                f"checkpoint.save_best={metric!r} is not among the metrics: use one of {', '.join(metrics)}"
            )
        score, hub = metrics[metric], runner.message_hub
        suffix = f"_{metric}" if len(self._rules) > 1 else ""  # MMEngine's names
        best = hub.get_info(f"best_score{suffix}", _WORST[rule])
        if not (score > best if rule == "greater" else score < best):
            return
        outdated = hub.get_info(f"best_ckpt{suffix}")
        name = f"best_{metric}_epoch_{runner.epoch}.pth".replace("/", "_")  # metrics of MMDetection: `coco/bbox_mAP`
        path = os.path.join(runner.work_dir, name)
        hub.update_info_dict({f"best_score{suffix}": float(score), f"best_ckpt{suffix}": path})
        meta = {"epoch": runner.epoch, "iter": runner.iter}
        runner.save_checkpoint(runner.work_dir, name, save_optimizer=False, meta=meta)
        if outdated is not None:
            _remove(runner, [outdated], keep=[path])

    def _save_epoch(self, runner: Runner, epoch: int) -> None:
        path, hub = self._path(runner, epoch), runner.message_hub
        kept = [*hub.get_info("keep_ckpt_ids", []), epoch]
        outdated = kept[: -self._max_keep] if self._max_keep > 0 else []
        hub.update_info("keep_ckpt_ids", kept[len(outdated) :])
        runner.optim_wrapper.average_pending()
        meta = {"epoch": epoch, "iter": runner.iter}
        runner.save_checkpoint(runner.work_dir, os.path.basename(path), meta=meta)
        if runner.rank == 0:
            write_atomically(Path(runner.work_dir) / LAST, path.encode())
        _remove(runner, [self._path(runner, earlier) for earlier in outdated], keep=[path])

    @staticmethod
    def _path(runner: Runner, epoch: int) -> str:
        return os.path.join(runner.work_dir, f"epoch_{epoch}.pth")


def _refuse_other_values(fixed: dict[str, Any]) -> None:
    for option, value in fixed.items():
        if option not in _FIXED:
            known = ["interval", "max_keep_ckpts", "save_best", "rule", *_FIXED]
            raise UsageError(f"AtomicCheckpointHook takes no {option!r}; {suggest(option, known)}")
        only, remedy = _FIXED[option]
        if value != only:
            raise UsageError(f"checkpoint.{option}={value!r} is not supported: {remedy}")


def _pair(save_best: str | Sequence[str] | None, rule: str | Sequence[str] | None) -> dict[str, str]:
    """Metric -> its rule."""
    metrics = [save_best] if isinstance(save_best, str) else list(save_best or [])
    rules = [rule] if isinstance(rule, str) or rule is None else list(rule)
    rules = [each or "greater" for each in (rules * len(metrics) if len(rules) == 1 else rules)]
    if len(rules) != len(metrics) or not set(rules) <= _WORST.keys():
        raise UsageError(
            f"checkpoint.rule={rule!r}: give 'greater' or 'less', one for all or one for each of save_best"
        )
    return dict(zip(metrics, rules, strict=True))


def _remove(runner: Runner, outdated: list[str], keep: list[str]) -> None:
    """Removes files of this work directory (recorded paths may stem from before it was moved)."""
    if runner.rank == 0:
        for name in {os.path.basename(path) for path in outdated} - {os.path.basename(path) for path in keep}:
            Path(runner.work_dir, name).unlink(missing_ok=True)
