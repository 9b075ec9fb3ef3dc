"""Checkpoints that are either complete or not there, and never replace the last good one before they are complete."""

import os
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.runner import Runner

from yolo_plugins.engine.epochs import validation_follows
from yolo_plugins.errors import UsageError
from yolo_plugins.files import write_atomically
from yolo_plugins.registry import HOOKS

_LAST = "last_checkpoint"  # MMEngine's name of the file that holds the path of the newest checkpoint


def latest_checkpoint(work_dir: str | Path) -> str | None:
    """Path of the newest checkpoint of a work directory, also after the directory was moved; None for a new one.

    Raises:
        UsageError: The directory names a checkpoint that is not there.
    """
    pointer = Path(work_dir) / _LAST
    if not pointer.is_file():
        return None
    path = Path(work_dir) / Path(pointer.read_text().strip()).name
    if not path.is_file():
        raise UsageError(f"{pointer}: names {path.name}, which is not there: restore it, or remove {_LAST}")
    return str(path)


@HOOKS.register_module()
class AtomicCheckpointHook(Hook):
    """Saves `epoch_{n}.pth`, and `best_{metric}_epoch_{n}.pth` when the metric has risen.

    A checkpoint stands for a finished epoch, validation included, so that a run killed while it validates does it
    again. MMEngine's hook saves before the validation, once more after it, and deletes old files before it saves.
    Needs `YOLORunner`, which writes files as a whole.

    Args:
        interval: Epochs from one checkpoint to the next; the last epoch is always saved.
        max_keep_ckpts: Number of the newest `epoch_{n}.pth` to keep; -1 keeps all.
        save_best: Name of the metric whose best epoch is kept beside them, the larger the better; None for none.
    """

    priority = "VERY_LOW"

    def __init__(self, interval: int = 1, max_keep_ckpts: int = -1, save_best: str | None = None) -> None:
        self._interval, self._max_keep, self._save_best = interval, max_keep_ckpts, save_best
        self._training = False

    def before_train(self, runner: Runner) -> None:
        """Remembers that validations from here on belong to a training."""
        self._training = True

    def after_train(self, runner: Runner) -> None:
        """A validation that comes later belongs to no training."""
        self._training = False

    def after_train_epoch(self, runner: Runner) -> None:
        """Saves where no validation is to come."""
        if not validation_follows(runner):
            self._save_epoch(runner, runner.epoch + 1)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Saves the epoch that has been validated, first of all if it is the best."""
        if self._training:
            self._save_best_epoch(runner, runner.epoch, metrics or {})
            self._save_epoch(runner, runner.epoch)

    def _save_best_epoch(self, runner: Runner, epoch: int, metrics: dict[str, float]) -> None:
        if self._save_best is None:
            return
        if self._save_best not in metrics:
            raise UsageError(
                f"checkpoint.save_best={self._save_best!r} is not among the metrics: use one of {', '.join(metrics)}"
            )
        score, hub = metrics[self._save_best], runner.message_hub
        if not score > hub.get_info("best_score", float("-inf")):
            return
        outdated = hub.get_info("best_ckpt")
        path = os.path.join(runner.work_dir, f"best_{self._save_best}_epoch_{epoch}.pth")
        hub.update_info_dict({"best_score": float(score), "best_ckpt": path})
        meta = {"epoch": epoch, "iter": runner.iter}
        runner.save_checkpoint(runner.work_dir, os.path.basename(path), save_optimizer=False, meta=meta)
        if outdated is not None:
            _remove(runner, [outdated], keep=[path])

    def _save_epoch(self, runner: Runner, epoch: int) -> None:
        if epoch % self._interval and epoch != runner.max_epochs:
            return
        path, hub = self._path(runner, epoch), runner.message_hub
        kept = [*hub.get_info("keep_ckpt_ids", []), epoch]
        outdated = kept[: -self._max_keep] if self._max_keep > 0 else []
        hub.update_info("keep_ckpt_ids", kept[len(outdated) :])
        runner.optim_wrapper.average_pending()
        meta = {"epoch": epoch, "iter": runner.iter}
        runner.save_checkpoint(runner.work_dir, os.path.basename(path), meta=meta)
        if runner.rank == 0:
            write_atomically(Path(runner.work_dir) / _LAST, path.encode())
        _remove(runner, [self._path(runner, earlier) for earlier in outdated], keep=[path])

    @staticmethod
    def _path(runner: Runner, epoch: int) -> str:
        return os.path.join(runner.work_dir, f"epoch_{epoch}.pth")


def _remove(runner: Runner, outdated: list[str], keep: list[str]) -> None:
    """Removes files of this work directory (recorded paths may stem from before it was moved)."""
    if runner.rank == 0:
        for name in {os.path.basename(path) for path in outdated} - {os.path.basename(path) for path in keep}:
            Path(runner.work_dir, name).unlink(missing_ok=True)
