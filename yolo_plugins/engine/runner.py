"""MMEngine's Runner with a quiet console, a folder of its own, and a record that knows how the run ended."""

import atexit
import contextlib
import gc
import logging
import os
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import is_distributed
from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.model import MMDistributedDataParallel
from mmengine.runner import BaseLoop, EpochBasedTrainLoop, Priority, Runner
from mmengine.visualization import Visualizer
from torch import nn
from torch.utils.data import DataLoader

from yolo_plugins.config import mask_config
from yolo_plugins.datasets.detection_dataset import DetectionDataset
from yolo_plugins.engine.checkpoint_runner import SMALLER_STEPS, CheckpointRunner
from yolo_plugins.engine.class_weights_hook import ClassWeightsHook
from yolo_plugins.engine.loggers import visualizer_config
from yolo_plugins.engine.memory import keep_freed_memory
from yolo_plugins.engine.multi_scale_hook import MultiScaleHook
from yolo_plugins.engine.work_dir import claimed
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import first_line, suggest
from yolo_plugins.registry import DATASETS, MODELS, RUNNERS
from yolo_plugins.signals import raise_if_asked, stops_ignored

_HOOKS_OF_KEYS: dict[str, Callable[[Any], Hook]] = {"class_weights": ClassWeightsHook, "multi_scale": MultiScaleHook}


@RUNNERS.register_module()
class YOLORunner(CheckpointRunner):
    """What differs from MMEngine's Runner.

    The console shows warnings only; everything is in the log file. A work folder belongs to one training at a time. A
    run that breaks off tells its hooks (`after_stop`, with the status `interrupted` or `failed`). `CheckpointRunner`
    tells of its checkpoints.
    """

    def __init__(self, *args: Any, cfg: Config | dict | None = None, **kwargs: Any) -> None:
        """MMEngine's, whose `cfg` is only described, never built from: here, without secrets."""
        self._vis_backends = (cfg or {}).get("vis_backends")
        with _no_word_of_a_missing_compiler():
            super().__init__(*args, cfg=mask_config(cfg), **kwargs)

    def setup_env(self, env_cfg: dict) -> None:
        """MMEngine's set-up; processes without a GPU keep their memory and talk by gloo, whatever the config names.

        Raises:
            UsageError: A launcher that needs GPUs, where there is none.
        """
        if self.launcher not in ("none", "pytorch") and not torch.cuda.is_available():
            raise UsageError(
                f"--launcher {self.launcher} needs GPUs, and there is none: give --launcher pytorch under "
                "torchrun, which runs on CPUs too"
            )
        if not torch.cuda.is_available():
            keep_freed_memory()
        if self.launcher == "pytorch" and not torch.cuda.is_available() and not is_distributed():
            torch.distributed.init_process_group("gloo")
            atexit.register(_close_process_group)
        super().setup_env({**env_cfg, "mp_cfg": process_settings(env_cfg)})

    def build_model(self, model: nn.Module | dict) -> nn.Module:
        """Builds the model in the scope of its type, so that whole detectors of MMDetection find their parts."""
        return model if isinstance(model, nn.Module) else MODELS.build(model)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """Distributed data parallel, on CPUs too, with rank 0's batch statistics for all, as the reference has it."""
        if self.distributed and model_wrapper_cfg is None:
            device = torch.device(get_device())
            if self.cfg.get("sync_bn"):
                model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
            model = MMDistributedDataParallel(
                model.to(device),
                device_ids=[int(os.environ["LOCAL_RANK"])] if device.type == "cuda" else None,
                find_unused_parameters=self.cfg.get("find_unused_parameters", False),
            )
        return super().wrap_model(model_wrapper_cfg, model)

    @staticmethod
    def build_dataloader(
        dataloader: DataLoader | dict, seed: int | None = None, diff_rank_seed: bool = False
    ) -> DataLoader:
        """MMEngine's data loader, with pinned memory for a GPU; for our data sets, batches in one piece.

        An evaluation on our data gives every rank the batches that one process would make.

        `num_workers=0` alone is enough to have no workers.
        """
        if isinstance(dataloader, dict):
            dataloader = {"pin_memory": torch.cuda.is_available(), **_batches(dataloader), **dataloader}
            if not dataloader.get("num_workers"):
                dataloader["persistent_workers"] = False
        return Runner.build_dataloader(dataloader, seed, diff_rank_seed)

    def build_train_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """MMEngine's loop, unless its data make no epoch.

        Raises:
            UsageError: There are fewer pictures than a batch takes, or than there are processes.
        """
        built = super().build_train_loop(loop)
        if isinstance(built, EpochBasedTrainLoop):
            _check_epoch(built.dataloader, self.world_size)
        return built

    def build_val_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """MMEngine's loop; its workers start here, before training fills the memory of which each would keep a copy."""
        built = super().build_val_loop(loop)
        if built is not loop and built.dataloader.persistent_workers:
            with torch.random.fork_rng(devices=[]):  # starting workers draws a seed
                iter(built.dataloader)
        return built

    def build_evaluator(self, evaluator: dict | list | Evaluator) -> Evaluator:
        """MMEngine's; ranks exchange their results as messages, and not by files in the current folder."""
        built = super().build_evaluator(evaluator)
        for metric in built.metrics:
            if metric.collect_dir is None:
                metric.collect_device = "gpu"  # that is what MMEngine calls it, on any device
        return built

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """MMEngine's logger with a console handler that passes warnings and errors only, to standard error.

        Standard output is for results, such as the JSON of `yolo-plugins test`.
        """
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
                handler.setLevel(max(handler.level, logging.WARNING))
                handler.setStream(sys.stderr)
        return logger

    def build_visualizer(self, visualizer: Visualizer | dict | None = None) -> Visualizer:
        """MMEngine's visualizer with the backends of `vis_backends`; by default none, `record.json` replaces them."""
        if not isinstance(visualizer, Visualizer):
            visualizer = visualizer_config(self._vis_backends, visualizer, self.log_dir)
        return super().build_visualizer(visualizer)

    def register_default_hooks(self, hooks: dict[str, Hook | dict | None] | None = None) -> None:
        """MMEngine's default hooks and ours; None switches off any of them, by its name.

        Raises:
            UsageError: Options are given to a hook that no config names.
        """
        hooks = hooks or {}
        for name, hook in hooks.items():
            if isinstance(hook, dict) and "type" not in hook:
                raise UsageError(f"default_hooks.{name} states no type; {suggest(name, hooks.keys() - {name})}")
        super().register_default_hooks({name: Hook() if _is_off(name, hook) else hook for name, hook in hooks.items()})

    def register_hooks(self, default_hooks: dict | None = None, custom_hooks: list | None = None) -> None:
        """MMEngine's, and those that a key of the config stands for."""
        super().register_hooks(default_hooks, custom_hooks)
        for key, hook in _HOOKS_OF_KEYS.items():
            if self.cfg.get(key):
                self.register_hook(hook(self.cfg[key]))

    def register_hook(self, hook: Hook | dict, priority: str | int | Priority | None = None) -> None:
        """MMEngine's.

        Raises:
            UsageError: The hook refuses its options, in its own words.
        """
        try:
            super().register_hook(hook, priority)
        except UsageError:
            raise
        except (AssertionError, ValueError) as error:
            name = hook["type"] if isinstance(hook, dict) else type(hook).__name__
            raise UsageError(
                f"hook {name}: {first_line(error).rstrip('.')}; change its options in the config"
            ) from error

    def train(self) -> nn.Module:
        """Trains; returns the model. No other process may work in the folder.

        Raises:
            UsageError: The work folder holds another run or is in use; or the training cannot go on: a loss or the
                weights are not finite, or a hook says so.
        """
        with self._work_dir_of_its_own():
            super().dump_config()
            try:
                return self._train()
            except KeyboardInterrupt:  # also one that comes while an error, of a rank stopped earlier, is dealt with
                with stops_ignored():
                    self._stop("interrupted")
                raise

    def _train(self) -> nn.Module:
        try:
            return super().train()
        except (Exception, SystemExit) as error:
            raise_if_asked()
            self._stop("failed")
            if not isinstance(error, (UsageError, SystemExit)):
                self._check_weights(error)
            raise

    def dump_config(self) -> None:
        """Nothing while the runner is set up, as the folder may hold another run: `train` writes the config."""

    def _work_dir_of_its_own(self) -> AbstractContextManager[None]:
        """The lock of the work folder, one for all processes."""
        if self.rank:
            return contextlib.nullcontext()
        return claimed(Path(self.work_dir), bool(self._resume), bool(self.cfg.get("overwrite")))

    def call_hook(self, fn_name: str, **kwargs: Any) -> None:
        """MMEngine's; ends a run, too, that was to stop within a bare `except:`, as MMEngine has some."""
        raise_if_asked()
        super().call_hook(fn_name, **kwargs)

    def _stop(self, status: str) -> None:
        super().call_hook("after_stop", status=status)
        with contextlib.suppress(Exception):  # the reason for the stop is the one to be reported
            self.visualizer.close()

    def _check_weights(self, error: Exception) -> None:
        """Names the cause of an error that a model met because its weights are no longer numbers.

        An assigner of MMDetection, say, refuses them before there is a loss that `FiniteLossHook` could look at.
        """
        if not all(weight.isfinite().all() for weight in self.model.parameters()):
            raise UsageError(
                f"weights are NaN or infinite in epoch {self.epoch + 1} ({first_line(error)}): {SMALLER_STEPS}"
            ) from error


def process_settings(env_cfg: dict) -> dict:
    """How a training starts processes, and the threads of OpenCV in each: `mp_cfg` of a config's `env_cfg`, complete.

    Workers are forked on Linux and spawned elsewhere, where a fork may hang or does not exist, unless
    `mp_cfg.mp_start_method` says it.
    """
    return {"mp_start_method": "fork" if sys.platform == "linux" else "spawn", **env_cfg.get("mp_cfg", {})}


def _batches(dataloader: dict) -> dict[str, dict]:
    """How a data set of ours, built or as config, is put into batches; nothing for any other."""
    dataset = dataloader["dataset"]
    known = DATASETS.get(dataset["type"]) if isinstance(dataset, dict) else type(dataset)
    if not (isinstance(known, type) and issubclass(known, DetectionDataset)):
        return {}
    testing = dataset.get("test_mode") if isinstance(dataset, dict) else dataset.test_mode
    if not testing:
        return {"collate_fn": {"type": "yolo_plugins.collate_training"}}
    collate: dict[str, dict] = {"collate_fn": {"type": "yolo_plugins.collate_detection"}}
    sampler = dataloader.get("sampler")
    plain = isinstance(sampler, dict) and sampler["type"] == "DefaultSampler" and sampler.get("shuffle") is False
    return collate | (
        {"batch_sampler": {"type": "yolo_plugins.WholeBatchSampler"}} if plain and is_distributed() else {}
    )


def _check_epoch(loader: Any, num_processes: int) -> None:
    """Refuses a training loader whose epoch has no batch, or shows a picture twice because processes lack their own."""
    pictures = len(loader.dataset)
    if pictures < num_processes:
        raise UsageError(f"{pictures} pictures to train on are too few for {num_processes} processes; start fewer")
    if not len(loader):
        on = f" on each of {num_processes} processes" if num_processes > 1 else ""
        raise UsageError(
            f"{pictures} pictures make no batch of {loader.batch_size}{on} (drop_last=True): lower "
            "train_dataloader.batch_size or set train_dataloader.drop_last=False"
        )


@contextlib.contextmanager
def _no_word_of_a_missing_compiler() -> Iterator[None]:
    """MMEngine asks the compiler that built Python for its version, by a shell that complains where there is none.

    `false` fails in silence, and MMEngine's log says "n/a".
    """
    variables = sysconfig.get_config_vars()
    compiler = variables.get("CC")
    missing = compiler and not shutil.which(compiler.split()[0])
    if missing:
        variables["CC"] = "false"
    try:
        yield
    finally:
        if missing:
            variables["CC"] = compiler


def _is_off(name: str, hook: Hook | dict | None) -> bool:
    """Whether a hook is None, or MMDetection's for drawing and not told to draw: nothing that it needs is imported."""
    return hook is None or (name == "visualization" and isinstance(hook, dict) and not hook.get("draw"))


def _close_process_group() -> None:
    """Joins gloo's threads: one that still runs when the process ends aborts it. Their last owners are in cycles."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    gc.collect()
