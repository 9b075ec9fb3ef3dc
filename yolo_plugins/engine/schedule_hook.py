"""Sets learning rate, momentum, accumulation and weight decay before each training iteration.

All of them are closed forms of the place in the run (`schedules.py`): epochs done and share of this one. So a resumed
run continues exactly, also with other numbers of images an iteration or an epoch, and the checkpoint carries no
scheduler. Goes where MMEngine's own scheduler hook is: `default_hooks.param_scheduler`.
"""

import inspect
import math
from collections.abc import Callable
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner

from yolo_plugins.engine.schedules import accumulation, cosine, linear, one_cycle, ramp, warmup_iterations
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import HOOKS

_EPOCH_CURVES: dict[str, Callable[..., float]] = {"linear": linear, "cosine": cosine}
_ITERATION_CURVES: dict[str, Callable[..., float]] = {"one_cycle": one_cycle}
_HUB_KEY = "schedule"  # where the message hub, hence a checkpoint, keeps the sizes that a place is told from


def total_batch_size(runner: Runner) -> int:
    """Images in one training iteration, over all processes; read from the built data loader."""
    loader = runner.train_dataloader
    per_process = loader.batch_size if loader.batch_size is not None else loader.batch_sampler.batch_size
    return per_process * runner.world_size


@HOOKS.register_module()
class ScheduleHook(Hook):
    """YOLOv5's schedule, or one-cycle in its place.

    The optimizer's config keeps the base values: `lr`, `momentum` and, for 64 images a step, `weight_decay`. The
    decay that is used is `weight_decay * total_batch * accumulation / nominal_batch_size`, with the accumulation
    after the warm-up.

    Places are told in iterations of the run's first epoch: where a later epoch has another number of them, each
    stands for the place at which it ends, and `warmup_min_iters` remains the stretch that it was.

    Args:
        schedule: `linear` or `cosine` (YOLOv5, constant within an epoch), or `one_cycle` (per iteration).
        nominal_batch_size: Images that one optimizer step shall see; gradients are accumulated to reach it.
        warmup_epochs: Length of the warm-up in epochs; None for no warm-up. One-cycle has its own first phase and
            takes none.
        warmup_min_iters: Least length of the warm-up in iterations.
        warmup_bias_lr: Learning rate from which that of the biases falls (all others rise from 0).
        warmup_momentum: Momentum from which the optimizer's own is reached.
        **curve: Options of the curve: `final`; for `one_cycle` `peak`, `rise`, `final` (see `schedules.py`).

    Raises:
        UsageError: Unknown schedule or option, a value out of its range, or half a warm-up.
    """

    priority = "HIGHEST"  # before RuntimeInfoHook, so that the logged learning rate is the one in use

    def __init__(
        self,
        schedule: str,
        nominal_batch_size: int = 64,
        warmup_epochs: float | None = None,
        warmup_min_iters: int | None = None,
        warmup_bias_lr: float | None = None,
        warmup_momentum: float | None = None,
        **curve: float,
    ) -> None:
        curves = _EPOCH_CURVES | _ITERATION_CURVES
        if schedule not in curves:
            raise UsageError(f"ScheduleHook: unknown schedule {schedule!r}: choose one of {', '.join(curves)}")
        warmup = [warmup_epochs, warmup_min_iters, warmup_bias_lr, warmup_momentum]
        given = [value for value in warmup if value is not None]
        if given and len(given) < len(warmup):
            raise UsageError("ScheduleHook: a warm-up needs all four warmup_* options; set all of them or none")
        if given and schedule in _ITERATION_CURVES:
            raise UsageError(f"ScheduleHook: {schedule} rises by itself: set the warmup_* options to None")
        try:
            inspect.signature(curves[schedule]).bind(0, 1, **curve)
        except TypeError as error:
            raise UsageError(f"ScheduleHook: options of schedule {schedule!r}: {error}") from None
        _check_range("nominal_batch_size", nominal_batch_size, least=1)
        for name, value in [*zip(("epochs", "min_iters", "bias_lr", "momentum"), given, strict=False)]:
            _check_range(f"warmup_{name}", value)
        for name, value in curve.items():
            _check_range(name, value, most=1 if name == "rise" else math.inf)
        self.schedule = schedule
        self._nominal_batch_size = nominal_batch_size
        self._warmup = given
        self._curve = curve

    def before_train(self, runner: Runner) -> None:
        """Reads everything that the closed forms need from the built runner.

        Raises:
            UsageError: The optimizer has not the groups, or its wrapper not the accumulation, that are to be set;
                MMEngine's schedulers are configured beside it, which nothing would step; or the loop has no epochs.
        """
        if runner.param_schedulers:
            raise UsageError(
                "param_scheduler: MMEngine's schedulers are stepped by its own hook only; remove them, or set "
                "default_hooks.param_scheduler=dict(_delete_=True, type='ParamSchedulerHook')"
            )
        wrapper = runner.optim_wrapper
        if not hasattr(wrapper, "accumulate") or any("kind" not in group for group in wrapper.optimizer.param_groups):
            raise UsageError(
                "ScheduleHook needs optim_wrapper=dict(type='YOLOOptimWrapper', "
                f"constructor='YOLOOptimWrapperConstructor', ...), not a bare {type(wrapper).__name__}"
            )
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            raise UsageError(
                "train_cfg: ScheduleHook counts epochs; give by_epoch=True and max_epochs, or set "
                "default_hooks.param_scheduler=dict(_delete_=True, type='ParamSchedulerHook')"
            )
        self._iters_per_epoch, self._total_batch = len(runner.train_dataloader), total_batch_size(runner)
        self._first_iters = self._iters_of_first_epoch(runner)
        self._max_epochs, self._max_iters = runner.max_epochs, runner.max_epochs * self._first_iters
        epochs, min_iters, self._bias_lr, self._momentum = self._warmup or [0, 0, 0.0, 0.0]
        self._warmup_iters = warmup_iterations(epochs, int(min_iters), self._first_iters)

    def _iters_of_first_epoch(self, runner: Runner) -> int:
        """Iterations of an epoch when the run began, which a checkpoint tells; also recounts the pending gradients."""
        hub, iters, total_batch = runner.message_hub, self._iters_per_epoch, self._total_batch
        earlier = hub.get_info(_HUB_KEY) if runner.epoch else None
        if earlier is not None:
            iters = earlier["iters_per_epoch"]
            if earlier["total_batch"] != total_batch:
                runner.optim_wrapper.rescale_pending(earlier["total_batch"] / total_batch)
        hub.update_info(_HUB_KEY, {"iters_per_epoch": iters, "total_batch": total_batch})
        return iters

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Writes the values of this iteration into the optimizer's groups and its wrapper."""
        iteration, wrapper = self._place(runner.epoch, batch_idx), runner.optim_wrapper
        base = wrapper.optimizer.defaults
        lr = base["lr"] * self.factor(runner.epoch, batch_idx)
        for group in wrapper.optimizer.param_groups:
            start = self._bias_lr if group["kind"] == "bias" else 0.0
            group["lr"] = ramp(iteration, self._warmup_iters, start, lr)
            if "momentum" in base:
                group["momentum"] = ramp(iteration, self._warmup_iters, self._momentum, base["momentum"])
            if group["kind"] == "decay":
                group["weight_decay"] = base["weight_decay"] * self._decay_factor()
        wrapper.accumulate = self._accumulation(iteration)

    def _place(self, epoch: int, batch_idx: int) -> float:
        """The iteration of a run with all its epochs as the first that ends where this one does, 0 .. max_iters - 1.

        In a run whose epochs are all of one length it is the iteration itself: an integer, without rounding.
        """
        return epoch * self._first_iters + (batch_idx + 1) * self._first_iters / self._iters_per_epoch - 1

    def factor(self, epoch: int, batch_idx: int = 0) -> float:
        """Learning rate of an iteration of an epoch, both from 0, in units of the optimizer's `lr`, without warm-up."""
        if self.schedule in _EPOCH_CURVES:
            return _EPOCH_CURVES[self.schedule](epoch, self._max_epochs, **self._curve)
        return _ITERATION_CURVES[self.schedule](self._place(epoch, batch_idx), self._max_iters, **self._curve)

    def _accumulation(self, iteration: float) -> int:
        return accumulation(iteration, self._warmup_iters, self._nominal_batch_size, self._total_batch)

    def _decay_factor(self) -> float:
        return self._total_batch * self._accumulation(self._warmup_iters) / self._nominal_batch_size


def _check_range(name: str, value: float, least: float = 0, most: float = math.inf) -> None:
    if not isinstance(value, int | float) or not least <= value <= most or math.isinf(value):
        limits = f"from {least} to {most}" if math.isfinite(most) else f"of at least {least}"
        raise UsageError(f"ScheduleHook: {name}={value!r}: give a number {limits}")
