"""MMEngine's Runner with a quiet console, safe and strict loading, and a record that knows how the run ended."""

import atexit
import contextlib
import gc
import io
import logging
import os
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import mmengine
import numpy as np
import torch
from mmengine.device import get_device
from mmengine.dist import is_distributed, master_only
from mmengine.hooks import EMAHook, Hook
from mmengine.logging import MMLogger
from mmengine.model import MMDistributedDataParallel, is_model_wrapper
from mmengine.runner import BaseLoop, Priority, Runner
from mmengine.runner.checkpoint import weights_to_cpu
from mmengine.utils import apply_to
from mmengine.visualization import Visualizer
from torch import nn
from torch.utils.data import DataLoader

from yolo_plugins.checkpoints.read import check_fits, load_checkpoint, weights_sha256
from yolo_plugins.datasets.detection_dataset import DetectionDataset
from yolo_plugins.engine.checkpoint import latest_checkpoint
from yolo_plugins.engine.loggers import visualizer_config
from yolo_plugins.engine.memory import keep_freed_memory
from yolo_plugins.engine.recipe import describe_recipe
from yolo_plugins.engine.work_dir import claimed
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import first_line, suggest
from yolo_plugins.files import write_atomically
from yolo_plugins.protocol import INITIAL_WEIGHTS, Recipe, continued
from yolo_plugins.registry import DATASETS, MODELS, RUNNERS


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
    recipe: Recipe | None = None  # of a training, once its model is initialised

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
        """MMEngine's data loader, with pinned memory for a GPU and, for our data sets, batches in one piece.

        `num_workers=0` alone is enough to have no workers.
        """
        if isinstance(dataloader, dict):
            dataloader = {"pin_memory": torch.cuda.is_available(), **_collate(dataloader["dataset"]), **dataloader}
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
        """Trains; returns the model.

        Raises:
            UsageError: The work folder holds another run or is in use; or the training cannot go on: a loss or the
                weights are not finite, or a hook says so.
        """
        with self._work_dir_of_its_own():
            super().dump_config()
            try:
                return super().train()
            except BaseException as error:
                self.call_hook("after_stop", status="interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
                with contextlib.suppress(Exception):  # the reason for the stop is the one to be reported
                    self.visualizer.close()
                if isinstance(error, Exception) and not isinstance(error, UsageError):
                    self._check_weights(error)
                raise

    def dump_config(self) -> None:
        """Nothing while the runner is set up, as the folder may hold another run: `train` writes the config."""

    def _work_dir_of_its_own(self) -> AbstractContextManager[None]:
        """The lock of the work folder, one for all processes."""
        if self.rank:
            return contextlib.nullcontext()
        return claimed(Path(self.work_dir), self._resume, bool(self.cfg.get("overwrite")))

    def _check_weights(self, error: Exception) -> None:
        """Names the cause of an error that a model met because its weights are no longer numbers.

        An assigner of MMDetection, say, refuses them before there is a loss that `FiniteLossHook` could look at.
        """
        if not all(weight.isfinite().all() for weight in self.model.parameters()):
            raise UsageError(
                f"weights are NaN or infinite in epoch {self.epoch + 1} ({first_line(error)}): lower "
                "optim_wrapper.optimizer.lr or lengthen the warm-up; earlier checkpoints are sound"
            ) from error

    def load_or_resume(self) -> None:
        """Loads what `load_from` and `resume` name; without a checkpoint to resume from, starts from the beginning.

        Raises:
            UsageError: The work directory's newest checkpoint is missing, or a checkpoint does not fit.
        """
        if self._resume and self._load_from is None:
            self._load_from = latest_checkpoint(self.work_dir)
            if self._load_from is None:
                self.logger.warning(f"{self.work_dir}: no checkpoint to resume from, starting with epoch 1")
                self._resume = False
        if isinstance(self._train_loop, BaseLoop):
            self.recipe = describe_recipe(self)
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
            UsageError: The disk is full.
        """
        info = self.message_hub.state_dict()["runtime_info"]
        description = {
            "cfg": self.cfg.pretty_text,
            "seed": self.seed,
            "experiment_name": self.experiment_name,
            "time": time.strftime("%Y%m%d_%H%M%S"),
            "mmengine_version": mmengine.__version__,
            "dataset_meta": getattr(self.train_dataloader.dataset, "metainfo", None),
            "recipe": self.recipe,
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
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_atomically(Path(out_dir) / filename, buffer.getbuffer())

    def load_checkpoint(self, filename: str, **_: Any) -> dict[str, Any]:
        """Loads weights into the model; MMEngine's options have no effect, every key has to fit as it is.

        Args:
            filename: Path of a checkpoint, or of a bare state dict.

        Returns:
            The checkpoint, with `state_dict` at least.

        Raises:
            UsageError: Not readable, unsafe, of another model, or not complete enough to resume from it.
        """
        content = load_checkpoint(filename)
        checkpoint = content if "state_dict" in content else {"state_dict": content}
        model = self.model.module if is_model_wrapper(self.model) else self.model
        check_fits(model, checkpoint["state_dict"], filename)
        if self._resume:
            self._refuse_to_resume_from(filename, checkpoint)
            self._take_up_recipe(filename, checkpoint["meta"])
        elif self.recipe:
            self.recipe[INITIAL_WEIGHTS] = {"load_from": weights_sha256(checkpoint["state_dict"])}
        self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        model.load_state_dict(checkpoint["state_dict"])
        self._has_loaded = True
        self.logger.info(f"loaded {filename}")
        return checkpoint

    def _refuse_to_resume_from(self, filename: str, checkpoint: dict[str, Any]) -> None:
        """Raises a `UsageError` where a checkpoint cannot be continued exactly."""
        if not {"meta", "message_hub", "optimizer"} <= checkpoint.keys():
            raise UsageError(
                f"{filename}: holds weights only, no state to resume from: resume from an epoch_N.pth, or start a new "
                "run with load_from"
            )
        averages = any(isinstance(hook, EMAHook) for hook in self.hooks)
        if averages != ("ema_state_dict" in checkpoint):
            raise UsageError(
                f"{filename}: saved with{'out' if averages else ''} EMA, which default_hooks.ema switches "
                f"{'on' if averages else 'off'}: resume with the same hooks, or start a new run with load_from"
            )

    def _take_up_recipe(self, filename: str, meta: dict[str, Any]) -> None:
        """Goes on with the recipe of the checkpoint.

        Raises:
            UsageError: This run's is another one, and the config does not allow the change.
        """
        earlier = meta.get("recipe")
        if earlier is None:
            changes = ["it states no recipe"]
        else:
            self.recipe, changes = continued(earlier, self.recipe or {}, meta["epoch"])
        if changes and not self.cfg.get("allow_changes"):
            more = f" and {len(changes) - 1} more" if len(changes) > 1 else ""
            raise UsageError(
                f"{filename}: trained by another recipe ({changes[0]}{more}): resume it by its own, start a new run in "
                "another --work-dir, or add --allow-changes, which the record will say"
            )
        for change in changes:
            self.logger.warning(f"{filename}: resumed by another recipe: {change}")

    def resume(self, filename: str, **_: Any) -> None:
        """Restores weights, average, optimizer, MMEngine's schedulers if there are any, counters and seed.

        Args:
            filename: Path of a checkpoint that was saved with its optimizer.

        Raises:
            UsageError: As `load_checkpoint`.
        """
        super().resume(filename, resume_param_scheduler=self.param_schedulers is not None)
        sampler = self.train_dataloader.sampler
        if hasattr(sampler, "seed"):
            sampler.seed = self.seed  # it was built before the checkpoint's seed was known


def _collate(dataset: Any) -> dict[str, dict]:
    """The collate function for a data set of ours, built or as config; nothing for any other."""
    known = DATASETS.get(dataset["type"]) if isinstance(dataset, dict) else type(dataset)
    if not issubclass(known, DetectionDataset):
        return {}
    testing = dataset.get("test_mode") if isinstance(dataset, dict) else dataset.test_mode
    return {"collate_fn": {"type": f"yolo_plugins.collate_{'detection' if testing else 'training'}"}}


def _is_off(name: str, hook: Hook | dict | None) -> bool:
    """Whether a hook is None, or MMDetection's for drawing and not told to draw: nothing that it needs is imported."""
    return hook is None or (name == "visualization" and isinstance(hook, dict) and not hook.get("draw"))


def _close_process_group() -> None:
    """Joins gloo's threads: one that still runs when the process ends aborts it. Their last owners are in cycles."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    gc.collect()
