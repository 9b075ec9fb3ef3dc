"""MMEngine's Runner with a quiet console, safe and strict loading, and a record that knows how the run ended."""

import atexit
import contextlib
import gc
import logging
import os
import time
from pathlib import Path
from typing import Any

import mmengine
import numpy as np
import torch
from mmengine.device import get_device
from mmengine.dist import is_distributed, master_only
from mmengine.evaluator import Evaluator
from mmengine.hooks import EMAHook, Hook
from mmengine.logging import MMLogger
from mmengine.model import MMDistributedDataParallel, is_model_wrapper
from mmengine.runner import BaseLoop, EpochBasedTrainLoop, Priority, Runner
from mmengine.runner.checkpoint import weights_to_cpu
from mmengine.utils import apply_to
from mmengine.visualization import Visualizer
from torch import nn
from torch.utils.data import DataLoader

from yolo_plugins.checkpoints.read import check_fits, load_checkpoint
from yolo_plugins.checkpoints.soundness import first_not_finite, write_checkpoint
from yolo_plugins.datasets.detection_dataset import DetectionDataset
from yolo_plugins.engine.checkpoint import latest_checkpoint, newest_sound
from yolo_plugins.engine.loggers import visualizer_config
from yolo_plugins.engine.memory import keep_freed_memory
from yolo_plugins.engine.resume import check_resumable
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import first_line, suggest
from yolo_plugins.files import remove_temporaries
from yolo_plugins.registry import DATASETS, MODELS, RUNNERS
from yolo_plugins.signals import raise_if_asked, stops_ignored

_SMALLER_STEPS = "lower optim_wrapper.optimizer.lr or lengthen the warm-up; earlier checkpoints are sound"


@RUNNERS.register_module()
class YOLORunner(Runner):
    """What differs from MMEngine's Runner.

    The console shows warnings only; everything is in the log file. Checkpoints are written as a whole, hold tensors
    and plain values only, are read without running pickled code, and must fit the model key by key. Resuming needs a
    complete checkpoint and takes over its seed. A run that breaks off tells its hooks (`after_stop`, with the status
    `interrupted` or `failed`).
    """

    _resume: bool
    _load_from: str | None
    _has_loaded: bool

    def setup_env(self, env_cfg: dict) -> None:
        """MMEngine's set-up; processes without a GPU keep their memory and talk by gloo, whatever the config names."""
        if not torch.cuda.is_available():
            keep_freed_memory()
        if self.launcher == "pytorch" and not torch.cuda.is_available() and not is_distributed():
            torch.distributed.init_process_group("gloo")
            atexit.register(_close_process_group)
        super().setup_env(env_cfg)

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
        """MMEngine's logger with a console handler that passes warnings and errors only."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.setLevel(max(handler.level, logging.WARNING))
        return logger

    def build_visualizer(self, visualizer: Visualizer | dict | None = None) -> Visualizer:
        """MMEngine's visualizer with the backends of `vis_backends`; by default none, `record.json` replaces them."""
        if not isinstance(visualizer, Visualizer):
            visualizer = visualizer_config(self.cfg, visualizer, self.log_dir)
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
            UsageError: The training cannot go on: a loss or the weights are not finite, or a hook says so.
        """
        if self.rank == 0:
            remove_temporaries(self.work_dir)
        try:
            return self._train()
        except KeyboardInterrupt:  # also one that comes while an error is dealt with, that of a rank stopped earlier
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
                f"weights are NaN or infinite in epoch {self.epoch + 1} ({first_line(error)}): {_SMALLER_STEPS}"
            ) from error

    def load_or_resume(self) -> None:
        """Loads what `load_from` and `resume` name; without a checkpoint to resume from, starts from the beginning.

        Raises:
            UsageError: No checkpoint of the work directory is sound, or one does not fit.
        """
        if self._resume and self._load_from is None:
            self._load_from = latest_checkpoint(self.work_dir)
            if self._load_from is None:
                self.logger.warning(f"{self.work_dir}: no checkpoint to resume from, starting with epoch 1")
                self._resume = False
        super().load_or_resume()

    @master_only
    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        file_client_args: dict | None = None,
        save_optimizer: bool = True,
        meta: dict | None = None,
        **_: Any,
    ) -> None:
        """Writes a checkpoint with MMEngine's keys: `meta`, `state_dict`, `message_hub`, `optimizer`.

        `ScheduleHook` has no state; MMEngine's schedulers, if there are any, add `param_schedulers`. Left out is the
        log window of the message hub.

        Args:
            out_dir: Folder of the checkpoint.
            filename: Its name.
            file_client_args: MMEngine's, without effect, like all that is not described here.
            save_optimizer: Whether it can be resumed from.
            meta: `epoch` and `iter` as a resumed run shall count them; by default those at the end of this epoch.

        Raises:
            UsageError: The disk is full, or the weights are not finite.
        """
        info = self.message_hub.state_dict()["runtime_info"]
        description = {
            "cfg": self.cfg.pretty_text,
            "seed": self.seed,
            "experiment_name": self.experiment_name,
            "time": time.strftime("%Y%m%d_%H%M%S"),
            "mmengine_version": mmengine.__version__,
            "dataset_meta": getattr(self.train_dataloader.dataset, "metainfo", None),
        }
        model = self.model.module if is_model_wrapper(self.model) else self.model
        hub = {"log_scalars": {}, "runtime_info": info, "resumed_keys": dict.fromkeys(info, True)}
        checkpoint = {
            "meta": {"epoch": self.epoch + 1, "iter": self.iter} | (meta or {}) | description,
            "state_dict": weights_to_cpu(model.state_dict()),
            "message_hub": apply_to(hub, lambda value: isinstance(value, np.generic), lambda value: value.item()),
        }
        if save_optimizer:
            state = self.optim_wrapper.state_dict()
            checkpoint["optimizer"] = apply_to(state, torch.is_tensor, torch.Tensor.cpu)
            if self.param_schedulers:
                checkpoint["param_schedulers"] = [scheduler.state_dict() for scheduler in self.param_schedulers]
        self.call_hook("before_save_checkpoint", checkpoint=checkpoint)
        name = first_not_finite(checkpoint)
        if name is not None:
            raise UsageError(
                f"weights are NaN or infinite in epoch {checkpoint['meta']['epoch']} ({name}), {filename} "
                f"is not written: {_SMALLER_STEPS}"
            )
        write_checkpoint(Path(out_dir) / filename, checkpoint)

    def load_checkpoint(self, filename: str, **_: Any) -> dict[str, Any]:
        """Loads weights into the model; MMEngine's options have no effect, every key has to fit as it is.

        Args:
            filename: Path of a checkpoint, or of a bare state dict.

        Returns:
            The checkpoint, with `state_dict` at least.

        Raises:
            UsageError: Not readable, unsafe, of another model, or not complete enough to resume from it. Where an
                earlier one of the folder is sound, it is named.
        """
        try:
            content = load_checkpoint(filename)
        except UsageError as error:
            sound = newest_sound(Path(filename).parent)
            raise UsageError(f"{error}; {sound} is sound" if sound else str(error)) from error
        checkpoint = content if "state_dict" in content else {"state_dict": content}
        model = self.model.module if is_model_wrapper(self.model) else self.model
        check_fits(model, checkpoint["state_dict"], filename)
        if self._resume:
            averages = any(isinstance(hook, EMAHook) for hook in self.hooks)
            check_resumable(checkpoint, filename, self.max_epochs, averages)
            self._count_anew(checkpoint)
        self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        model.load_state_dict(checkpoint["state_dict"])
        self._has_loaded = True
        self.logger.info(f"loaded {filename}")
        return checkpoint

    def _count_anew(self, checkpoint: dict[str, Any]) -> None:
        """Sets the count of iterations to that of the finished epochs as they are now, and what the hub keeps to plain.

        Another batch size, number of processes or of pictures gives an epoch another number of iterations.
        """
        if isinstance(self.train_loop, EpochBasedTrainLoop):
            checkpoint["meta"]["iter"] = checkpoint["meta"]["epoch"] * len(self.train_dataloader)
        info = checkpoint["message_hub"]["runtime_info"]
        checkpoint["message_hub"] = {
            "log_scalars": {},
            "runtime_info": info,
            "resumed_keys": dict.fromkeys(info, True),
        }

    def resume(self, filename: str, **_: Any) -> None:
        """Restores weights, average, optimizer, MMEngine's schedulers if there are any, counters and seed.

        Args:
            filename: Path of a checkpoint that was saved with its optimizer.

        Raises:
            UsageError: As `load_checkpoint`, or the file holds the state of another optimizer.
        """
        try:
            super().resume(filename, resume_param_scheduler=self.param_schedulers is not None)
        except UsageError:
            raise
        except Exception as error:  # a faulty file can raise anything
            raise UsageError(
                f"{filename}: cannot be resumed from ({first_line(error)}): resume with the config that it was "
                "trained with, or start a new run with load_from"
            ) from error
        sampler = self.train_dataloader.sampler
        if hasattr(sampler, "seed"):
            sampler.seed = self.seed  # it was built before the checkpoint's seed was known


def _batches(dataloader: dict) -> dict[str, dict]:
    """How a data set of ours, built or as config, is put into batches; nothing for any other."""
    dataset = dataloader["dataset"]
    known = DATASETS.get(dataset["type"]) if isinstance(dataset, dict) else type(dataset)
    if not issubclass(known, DetectionDataset):
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


def _is_off(name: str, hook: Hook | dict | None) -> bool:
    """Whether a hook is None, or MMDetection's for drawing and not told to draw: nothing that it needs is imported."""
    return hook is None or (name == "visualization" and isinstance(hook, dict) and not hook.get("draw"))


def _close_process_group() -> None:
    """Joins gloo's threads: one that still runs when the process ends aborts it. Their last owners are in cycles."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    gc.collect()
