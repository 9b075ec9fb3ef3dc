"""A Runner whose checkpoints are whole, safe and strict, and are continued exactly or not at all."""

import time
from pathlib import Path
from typing import Any

import mmengine
import numpy as np
import torch
from mmengine.dist import master_only
from mmengine.hooks import EMAHook
from mmengine.runner import BaseLoop, EpochBasedTrainLoop, Runner
from mmengine.runner.checkpoint import weights_to_cpu
from mmengine.utils import apply_to
from torch import nn

from yolo_plugins.checkpoints.read import load_weights, weights_sha256
from yolo_plugins.checkpoints.soundness import first_not_finite, write_checkpoint
from yolo_plugins.checkpoints.stated import anchors_of
from yolo_plugins.checkpoints.transfer import Start, fit
from yolo_plugins.checkpoints.weights import load_any_weights
from yolo_plugins.engine.checkpoint import AtomicCheckpointHook, latest_checkpoint, newest_sound
from yolo_plugins.engine.recipe import describe_recipe
from yolo_plugins.engine.resume import check_resumable
from yolo_plugins.engine.unwrapped import unwrapped
from yolo_plugins.engine.work_dir import recorded_epochs
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import first_line
from yolo_plugins.models.layers import Freezable
from yolo_plugins.protocol import FROM_SCRATCH, INITIAL_WEIGHTS, Recipe, continued, first_of

SMALLER_STEPS = "lower optim_wrapper.optimizer.lr or lengthen the warm-up; earlier checkpoints are sound"


class CheckpointRunner(Runner):
    """MMEngine's Runner with checkpoints of its own.

    They are written as a whole with a checksum, hold tensors and plain values only, are read without running pickled
    code, and must fit the model key by key. Resuming needs a complete checkpoint of the same recipe and seed.

    Attributes:
        recipe: How the model is trained, see `yolo_plugins.protocol`; None before the model is initialised.
    """

    recipe: Recipe | None = None
    _resume: bool | str
    _load_from: str | None
    _has_loaded: bool
    _train_loop: BaseLoop | dict | None
    _val_loop: BaseLoop | dict | None
    _test_loop: BaseLoop | dict | None

    def load_or_resume(self) -> None:
        """Resumes what `resume` names, or loads the weights that `load_from` names.

        `resume` is a checkpoint, or `latest`, the newest one of the work directory. Without one there, and only then,
        a training begins, with the weights of `load_from` if there are any. True is MMEngine's: the checkpoint that
        `load_from` names, or `latest` where it names none.

        Raises:
            UsageError: No checkpoint of the work directory is sound, or one does not fit.
        """
        if self._resume and not self._has_loaded:
            source = self._resume if isinstance(self._resume, str) else self._load_from or "latest"
            checkpoint = latest_checkpoint(self.work_dir) if source == "latest" else source
            if checkpoint is None:
                self._check_nothing_is_lost()
                begin = f"with the weights of {self._load_from}" if self._load_from else "from scratch"
                self.logger.warning(f"{self.work_dir}: no checkpoint to resume from, starting with epoch 1 {begin}")
                self._resume = False
            else:
                self._load_from = checkpoint
        if isinstance(self._train_loop, BaseLoop):
            self.recipe = describe_recipe(self)
        super().load_or_resume()
        if self.recipe:
            self._check_something_is_kept(self.recipe)

    def _check_something_is_kept(self, recipe: Recipe) -> None:
        """Refuses to keep random weights, or the statistics that a norm begins with, as they are."""
        if recipe[INITIAL_WEIGHTS] != FROM_SCRATCH or not isinstance(unwrapped(self.model), Freezable):
            return
        model = self.cfg.get("model") or {}
        for key, off in (("freeze", None), ("norm_eval", False)):
            if model.get(key, off) is not off:
                raise UsageError(
                    f"model.{key}={model[key]!r} keeps what the model begins with, which is random: start from weights "
                    f"by --weights FILE, or train from scratch with --cfg-options model.{key}={off}"
                )

    def _check_nothing_is_lost(self) -> None:
        """Refuses a new run in a folder without checkpoints whose record tells of more than a killed run left to do."""
        epochs = recorded_epochs(Path(self.work_dir))
        first_saved = min((hook.interval for hook in self.hooks if isinstance(hook, AtomicCheckpointHook)), default=1)
        if epochs is None or epochs > first_saved:
            raise UsageError(
                f"{self.work_dir}: its record.json {'cannot be read' if epochs is None else f'has {epochs} epochs'}, "
                "but there is no checkpoint to resume from: restore one, or replace the run with --overwrite in place "
                "of --resume"
            )

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
            "recipe": self.recipe,
        }
        model = unwrapped(self.model)
        anchors = anchors_of(model)
        if anchors is not None:
            description["anchors"] = anchors.tolist()
        hub = _hub(info)
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
                f"is not written: {SMALLER_STEPS}"
            )
        write_checkpoint(Path(out_dir) / filename, checkpoint)

    def load_checkpoint(self, filename: str, **_: Any) -> dict[str, Any]:
        """Loads weights into the model; MMEngine's options have no effect, every key has to fit as it is.

        Only where a training starts from a model of other classes, or `by_name` says so, these move by their names, and
        a warning tells what was taken.

        Args:
            filename: Path of a checkpoint; where nothing is resumed, of any file that `load_any_weights` knows.

        Returns:
            The checkpoint, with `state_dict` at least.

        Raises:
            UsageError: Not readable, unsafe, of another model or classes, or not complete enough to resume from it.
                Where an earlier one of the folder is sound, it is named.
        """
        try:
            checkpoint = load_weights(filename) if self._resume else load_any_weights(filename)
        except UsageError as error:
            sound = newest_sound(Path(filename).parent)
            raise UsageError(f"{error}; {sound} is sound" if sound else str(error)) from error
        model = unwrapped(self.model)
        start = self._fit(filename, checkpoint, model)
        for sentence in start.told:
            self.logger.warning(sentence)
        if self._resume:
            averages = any(isinstance(hook, EMAHook) for hook in self.hooks)
            seed = self.cfg.get("randomness", {}).get("seed")
            check_resumable(checkpoint, filename, self.max_epochs, averages, seed)
            self._take_up_recipe(filename, checkpoint["meta"])
            self._count_anew(checkpoint)
        elif self.recipe:
            self.recipe[INITIAL_WEIGHTS] = {"load_from": weights_sha256(start.taken)}
        checkpoint["state_dict"] = start.weights
        self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        model.load_state_dict(checkpoint["state_dict"])
        self._has_loaded = True
        self.logger.info(f"loaded {filename}")
        return checkpoint

    def _fit(self, filename: str, checkpoint: dict[str, Any], model: nn.Module) -> Start:
        """Weights for the model; where a training starts from them, or `by_name` says so, for other classes, too."""
        built = [loop for loop in (self._train_loop, self._val_loop, self._test_loop) if isinstance(loop, BaseLoop)]
        classes = getattr(built[0].dataloader.dataset, "metainfo", {}).get("classes") if built else None
        training = isinstance(self._train_loop, BaseLoop)
        by_name = not self._resume and (training or bool(self.cfg.get("by_name")))
        return fit(checkpoint, model, self.cfg, classes, filename, training, by_name)

    def _count_anew(self, checkpoint: dict[str, Any]) -> None:
        """Sets the count of iterations to that of the finished epochs as they are now, and what the hub keeps to plain.

        Another batch size, number of processes or of pictures gives an epoch another number of iterations.
        """
        if isinstance(self.train_loop, EpochBasedTrainLoop):
            checkpoint["meta"]["iter"] = checkpoint["meta"]["epoch"] * len(self.train_dataloader)
        checkpoint["message_hub"] = _hub(checkpoint["message_hub"]["runtime_info"])

    def _take_up_recipe(self, filename: str, meta: dict[str, Any]) -> None:
        """Goes on with the recipe of the checkpoint.

        Raises:
            UsageError: This run's is another one, and the config does not allow the change.
        """
        earlier = meta.get("recipe")
        changes = ["it states no recipe"]
        if isinstance(earlier, dict):
            self.recipe, changes = continued(earlier, self.recipe or {}, meta["epoch"])
        if changes and not self.cfg.get("allow_changes"):
            raise UsageError(
                f"{filename}: trained by another recipe ({first_of(changes)}): resume it by its own, start a new run "
                "in another --work-dir, or add --allow-changes, which the record will say"
            )
        for change in changes:
            self.logger.warning(f"{filename}: resumed by another recipe: {change}")

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


def _hub(info: dict[str, Any]) -> dict[str, Any]:
    """The message hub's state in a checkpoint: what hooks keep, without the log window."""
    return {"log_scalars": {}, "runtime_info": info, "resumed_keys": dict.fromkeys(info, True)}
