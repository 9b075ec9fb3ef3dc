"""Sets learning rate, momentum, accumulation and weight decay before each training iteration.

All of them are closed forms of the iteration number (`schedules.py`), so a resumed run continues exactly and the
checkpoint carries no scheduler. Goes where MMEngine's own scheduler hook is: `default_hooks.param_scheduler`.
"""

import inspect
from collections.abc import Callable
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from yolo_plugins.engine.schedules import accumulation, cosine, linear, one_cycle, ramp, warmup_iterations
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import HOOKS

_EPOCH_CURVES: dict[str, Callable[..., float]] = {"linear": linear, "cosine": cosine}
_ITERATION_CURVES: dict[str, Callable[..., float]] = {"one_cycle": one_cycle}


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
        UsageError: Unknown schedule or option, or half a warm-up.
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
        self.schedule = schedule
        self._nominal_batch_size = nominal_batch_size
        self._warmup = given
        self._curve = curve

    def before_train(self, runner: Runner) -> None:
        """Reads everything that the closed forms need from the built runner.

        Raises:
            UsageError: The optimizer has not the groups, or its wrapper not the accumulation, that are to be set; or
                MMEngine's schedulers are configured beside it, which nothing would step.
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
        self._iters_per_epoch = len(runner.train_dataloader)
        self._max_epochs, self._max_iters = runner.max_epochs, runner.max_iters
        self._total_batch = total_batch_size(runner)
        epochs, min_iters, self._bias_lr, self._momentum = self._warmup or [0, 0, 0.0, 0.0]
        self._warmup_iters = warmup_iterations(epochs, int(min_iters), self._iters_per_epoch)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Writes the values of this iteration into the optimizer's groups and its wrapper."""
        iteration, wrapper = runner.iter, runner.optim_wrapper
        base = wrapper.optimizer.defaults
        lr = base["lr"] * self.factor(iteration)
        for group in wrapper.optimizer.param_groups:
            start = self._bias_lr if group["kind"] == "bias" else 0.0
            group["lr"] = ramp(iteration, self._warmup_iters, start, lr)
            if "momentum" in base:
                group["momentum"] = ramp(iteration, self._warmup_iters, self._momentum, base["momentum"])
            if group["kind"] == "decay":
                group["weight_decay"] = base["weight_decay"] * self._decay_factor()
        wrapper.accumulate = self._accumulation(iteration)

    def factor(self, iteration: int) -> float:
        """Learning rate of an iteration as a multiple of the optimizer's `lr`, warm-up left aside."""
        if self.schedule in _EPOCH_CURVES:
            epoch = iteration // self._iters_per_epoch
            return _EPOCH_CURVES[self.schedule](epoch, self._max_epochs, **self._curve)
        return _ITERATION_CURVES[self.schedule](iteration, self._max_iters, **self._curve)

    def _accumulation(self, iteration: int) -> int:
        return accumulation(iteration, self._warmup_iters, self._nominal_batch_size, self._total_batch)

    def _decay_factor(self) -> float:
        return self._total_batch * self._accumulation(self._warmup_iters) / self._nominal_batch_size
