"""The console during a run: a bar on a terminal, a line for each epoch, the classes at the end; colour where it shows.

termcolor decides whether it does: on a terminal, unless NO_COLOR is set, or anywhere with FORCE_COLOR.
"""

import math
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner
from termcolor import colored
from tqdm import tqdm

from yolo_plugins.engine.epochs import validation_follows
from yolo_plugins.engine.loss_terms import loss_terms
from yolo_plugins.engine.run_record_hook import HISTORY_KEY, ROW_KEY, RunRecordHook
from yolo_plugins.errors import UsageError
from yolo_plugins.evaluation import SCORES, DetectionMetric
from yolo_plugins.record import EpochRow, summarize_epochs
from yolo_plugins.registry import HOOKS


def format_row(row: EpochRow, max_epochs: int, seconds_left: float = 0, is_best: bool = False) -> str:
    """The line of one epoch of the record.

    Learning rate, losses, scores if there are any, seconds of training and validation, peak memory, and what is left
    of the run, in hours, minutes and seconds. Without memory where the system does not tell it.

    Args:
        row: The epoch.
        max_epochs: Of the run.
        seconds_left: Until the run ends; 0 is not told.
        is_best: Whether its AP50 is the best so far, which has a colour.
    """
    parts = [colored(f"epoch {row['epoch']:>{len(str(max_epochs))}}/{max_epochs}", attrs=["bold"])]
    parts += [f"lr {row['lr']:.6f}"] + [f"{term} {value:.4f}" for term, value in row["losses"].items()]
    scores = _tell(row["scores"], lambda name, score: f"{SCORES.get(name, name)} {score:.3f}")
    parts += [colored(text, "green") for text in scores] if is_best else scores
    validation = "" if row["val_seconds"] is None else f" + {row['val_seconds']:.1f}"
    parts.append(f"{row['train_seconds']:.1f}{validation} s")
    if row["peak_memory_bytes"]:
        parts.append(f"{row['peak_memory_bytes'] / 1e9:.2f} GB")
    if seconds_left > 0:
        parts.append(colored(f"{tqdm.format_interval(seconds_left)} left", "cyan"))
    return "  ".join(parts)


def _tell(scores: Mapping[str, float | None], write: Callable[[str, float], str]) -> list[str]:
    """Scores as texts, and in words which of ours a set without objects has not."""
    known = {name: score for name, score in scores.items() if score is not None}
    lacking = {name: SCORES[kind] for name in known if math.isnan(known[name]) and (kind := _kind(name)) in SCORES}
    told = [write(name, score) for name, score in known.items() if name not in lacking]
    return told + [f"no objects, so no {', '.join(lacking.values())}"] * bool(lacking)


def _kind(name: str) -> str:
    """`ap50` of `voc/ap50`, as a metric with a prefix calls it."""
    return name.rpartition("/")[2]


@HOOKS.register_module()
class ConsoleHook(Hook):
    """Prints what `RunRecordHook` measured, once an epoch, and shows bars while standard error is a terminal."""

    priority = "LOW"  # after RunRecordHook

    def __init__(self) -> None:
        self._bar: tqdm | None = None
        self._training = False
        self._started, self._first_iter = math.inf, 0
        self._validated = 0  # the last epoch that was

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
        self._training, self._validated = True, 0
        self._started = math.inf
        if runner.rank == 0 and runner.epoch >= runner.max_epochs:
            print(f"complete, {runner.epoch} of {runner.max_epochs} epochs are done: nothing to train", flush=True)

    def after_train(self, runner: Runner) -> None:
        """Says where another hook has ended the run, and what the last validation gave for each class."""
        self._training = False  # what comes later belongs to no training
        if runner.rank == 0 and runner.epoch < runner.max_epochs:
            early = f"stopped early, after epoch {runner.epoch} of {runner.max_epochs}"
            print(colored(early, "yellow"), flush=True)
        if runner.rank == 0 and self._validated:
            for line in _tables(runner.val_loop, f"validation after epoch {self._validated}"):
                print(line, flush=True)

    def before_train_epoch(self, runner: Runner) -> None:
        """Opens the bar of a training epoch."""
        self._open(runner, _title(runner), len(runner.train_dataloader))

    def before_val_epoch(self, runner: Runner) -> None:
        """Opens the bar of a validation."""
        self._open(runner, "validation", len(runner.val_dataloader))

    def before_test_epoch(self, runner: Runner) -> None:
        """Opens the bar of a test."""
        self._open(runner, "test", len(runner.test_dataloader))

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Moves the bar; before it stands the time that the run still takes, behind it the losses."""
        if self._started == math.inf:
            self._started, self._first_iter = time.perf_counter(), runner.iter + 1
        if self._bar is not None:
            terms = {term: f"{value:.4f}" for term, value in loss_terms(outputs).items()}
            if left := self._seconds_left(runner, runner.iter + 1):
                title = f"{_title(runner)}, {tqdm.format_interval(left)} left of all"
                self._bar.set_description(title, refresh=False)
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
            self._validated = runner.epoch

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Prints the classes and the scores, every digit, to standard error: the JSON of `test.py` has the other."""
        self._close()
        if runner.rank == 0 and metrics:
            lines = _tables(runner.test_loop, "test", coloured=False)
            lines.append("  ".join(_tell(metrics, lambda name, score: f"{name} {score}")))
            print("\n".join(lines), file=sys.stderr, flush=True)

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

    def _print_row(self, runner: Runner) -> None:
        if runner.rank == 0:
            row, history = (runner.message_hub.get_info(key) for key in (ROW_KEY, HISTORY_KEY))
            is_best = summarize_epochs(history["epochs"])["best_ap50_epoch"] == row["epoch"]
            left = self._seconds_left(runner, runner.iter)
            print(format_row(row, runner.max_epochs, left, is_best), flush=True)

    def _seconds_left(self, runner: Runner, iterations: int) -> float:
        """Seconds until the run ends, if it goes on as since its first iteration, which waited for the workers' start.

        Validations count; 0 where nothing is known yet.
        """
        measured = iterations - self._first_iter
        elapsed = time.perf_counter() - self._started
        return elapsed / measured * (runner.max_iters - iterations) if measured > 0 else 0.0


def _title(runner: Runner) -> str:
    return f"epoch {runner.epoch + 1}/{runner.max_epochs}"


def _tables(loop: BaseLoop, title: str, coloured: bool = True) -> list[str]:
    """The lines of the table of classes that each metric of ours has made in a loop, its ends in bold."""
    lines = []
    for metric in loop.evaluator.metrics:
        if isinstance(metric, DetectionMetric) and metric.scores is not None:
            rows = metric.table().splitlines()
            if coloured:
                rows[0], rows[-1] = (colored(rows[end], attrs=["bold"]) for end in (0, -1))
            lines += [title, *rows]
    return lines
