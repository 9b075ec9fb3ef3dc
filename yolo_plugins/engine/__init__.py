"""What MMEngine lacks for this training: schedule, optimizer steps, EMA, checkpoints, record, console, checks."""

from yolo_plugins.engine.checkpoint import AtomicCheckpointHook
from yolo_plugins.engine.class_check_hook import ClassCheckHook
from yolo_plugins.engine.console_hook import ConsoleHook
from yolo_plugins.engine.ema import RampedEMA, StepEMAHook
from yolo_plugins.engine.epoch_seed_hook import EpochSeedHook
from yolo_plugins.engine.finite_loss_hook import FiniteLossHook
from yolo_plugins.engine.optim_constructor import YOLOOptimWrapperConstructor
from yolo_plugins.engine.optim_wrapper import YOLOOptimWrapper
from yolo_plugins.engine.run_record_hook import RunRecordHook
from yolo_plugins.engine.runner import YOLORunner
from yolo_plugins.engine.schedule_hook import ScheduleHook

__all__ = [
    "AtomicCheckpointHook",
    "ClassCheckHook",
    "ConsoleHook",
    "EpochSeedHook",
    "FiniteLossHook",
    "RampedEMA",
    "RunRecordHook",
    "ScheduleHook",
    "StepEMAHook",
    "YOLOOptimWrapper",
    "YOLOOptimWrapperConstructor",
    "YOLORunner",
]
