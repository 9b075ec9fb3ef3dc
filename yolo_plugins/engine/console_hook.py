"""The console during a run: a progress bar on a terminal, and one line for each epoch."""

import sys
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from tqdm import tqdm

from yolo_plugins.engine.epochs import validation_follows
from yolo_plugins.engine.loss_terms import loss_terms
from yolo_plugins.engine.run_record_hook import ROW_KEY, RunRecordHook
from yolo_plugins.errors import UsageError
from yolo_plugins.evaluation.average_precision import SCORES
from yolo_plugins.record import EpochRow
from yolo_plugins.registry import HOOKS


def format_row(row: EpochRow, max_epochs: int) -> str:
    """The line of one epoch of the record: learning rate, losses, metrics if there are any, seconds, peak memory."""
    parts = [f"epoch {row['epoch']:>{len(str(max_epochs))}}/{max_epochs}", f"lr {row['lr']:.6f}"]
    parts += [f"{term} {value:.4f}" for term, value in row["losses"].items()]
    scores = row["scores"]
    parts += [f"{SCORES.get(name, name)} {score:.3f}" for name, score in scores.items() if score is not None]
    validation = "" if row["val_seconds"] is None else f" + {row['val_seconds']:.1f}"
    parts += [f"{row['train_seconds']:.1f}{validation} s", f"{row['peak_memory_bytes'] / 1e9:.2f} GB"]
    return "  ".join(parts)


@HOOKS.register_module()
class ConsoleHook(Hook):
    """Prints what `RunRecordHook` measured, once an epoch, and shows bars while standard error is a terminal."""

    priority = "LOW"  # after RunRecordHook

    def __init__(self) -> None:
        self._bar: tqdm | None = None
        self._training = False

    def before_train(self, runner: Runner) -> None:
        """Makes sure that there will be something to print, and says so where there is nothing left to train.

        Raises:
            UsageError: There is no `RunRecordHook`.
        """
        if not any(isinstance(hook, RunRecordHook) for hook in runner.hooks):
            raise UsageError(
                "ConsoleHook prints what RunRecordHook measures: keep default_hooks.record, or switch the other off "
                "too by default_hooks.console=None"
            )
        self._training = True
        if runner.rank == 0 and runner.epoch >= runner.max_epochs:
            print(f"complete, {runner.epoch} of {runner.max_epochs} epochs are done: nothing to train", flush=True)

    def after_train(self, runner: Runner) -> None:
        """Says where another hook has ended the run; what comes later belongs to no training."""
        self._training = False
        if runner.rank == 0 and runner.epoch < runner.max_epochs:
            print(f"stopped early, after epoch {runner.epoch} of {runner.max_epochs}", flush=True)

    def before_train_epoch(self, runner: Runner) -> None:
        """Opens the bar of a training epoch."""
        self._open(runner, f"epoch {runner.epoch + 1}/{runner.max_epochs}", len(runner.train_dataloader))

    def before_val_epoch(self, runner: Runner) -> None:
        """Opens the bar of a validation."""
        self._open(runner, "validation", len(runner.val_dataloader))

    def before_test_epoch(self, runner: Runner) -> None:
        """Opens the bar of a test."""
        self._open(runner, "test", len(runner.test_dataloader))

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Moves the bar and shows the losses of the iteration beside it."""
        if self._bar is not None:
            terms = {term: f"{value:.4f}" for term, value in loss_terms(outputs).items()}
            self._bar.set_postfix(terms, refresh=False)
            self._bar.update()

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Moves the bar."""
        if self._bar is not None:
            self._bar.update()

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Moves the bar."""
        if self._bar is not None:
            self._bar.update()

    def after_train_epoch(self, runner: Runner) -> None:
        """Prints the line of an epoch that is not validated."""
        self._close()
        if not validation_follows(runner):
            self._print_row(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Prints the line of an epoch that has been validated."""
        self._close()
        if self._training:
            self._print_row(runner)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Prints the scores, every digit, to standard error: `test.py` of MMDetection leaves them to the log."""
        self._close()
        if runner.rank == 0 and metrics:
            print("  ".join(f"{name} {value}" for name, value in metrics.items()), file=sys.stderr, flush=True)

    def after_stop(self, runner: Runner, status: str) -> None:
        """Removes the bar of an epoch that was broken off."""
        self._close()

    def _open(self, runner: Runner, title: str, length: int) -> None:
        if runner.rank == 0 and sys.stderr.isatty():
            self._bar = tqdm(total=length, desc=title, leave=False, dynamic_ncols=True)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    @staticmethod
    def _print_row(runner: Runner) -> None:
        if runner.rank == 0:
            print(format_row(runner.message_hub.get_info(ROW_KEY), runner.max_epochs), flush=True)
