"""Refuses a model that does not go with its data: other numbers of classes, boxes put aside, a batch of one."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner
from torch import Tensor, nn

from yolo_plugins.checkpoints.classes import check_num_classes
from yolo_plugins.config import size_hw
from yolo_plugins.costs.complexity import count_macs
from yolo_plugins.datasets.transforms import Letterbox
from yolo_plugins.engine.unwrapped import unwrapped
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import some
from yolo_plugins.registry import HOOKS, extends


@HOOKS.register_module()
class ClassCheckHook(Hook):
    """Compares the model with every data set in use, before anything runs.

    `num_classes` of its heads, direct children whose names end with `head`, has to be the number of a data set's
    `metainfo['classes']`; and where a letterbox puts padding before the picture, the model has to say that it takes it
    off again (`undoes_padding`), which MMDetection's whole detectors do not. A batch of one picture, as which an epoch
    may end, is refused where a batch norm in training would see one value a channel of it.
    """

    priority = "VERY_HIGH"

    def before_train(self, runner: Runner) -> None:
        """Checks the data sets of the training and of its validations.

        Raises:
            UsageError: Names the head, the data set and both numbers; or the data set and the letterbox's remedy; or
                the norms and the remedy for a batch of one.
        """
        _check(runner, runner.train_loop)
        _check(runner, runner.val_loop)
        _check_last_batch(unwrapped(runner.model), runner.train_dataloader)

    def before_val(self, runner: Runner) -> None:
        """Checks the data set of the validation; raises as `before_train`."""
        _check(runner, runner.val_loop)

    def before_test(self, runner: Runner) -> None:
        """Checks the data set of the test; raises as `before_train`."""
        _check(runner, runner.test_loop)


def _check(runner: Runner, loop: BaseLoop | None) -> None:
    if loop is not None:
        model = unwrapped(runner.model)
        dataset = loop.dataloader.dataset
        classes = getattr(dataset, "metainfo", {}).get("classes")
        if classes is not None:
            check_num_classes(model, classes, type(dataset).__name__)
        _check_padding(model, dataset)


def _check_last_batch(model: nn.Module, loader: Any) -> None:
    """Refuses a batch of one picture, as which an epoch may end, where a batch norm could not take it."""
    size, input_hw = loader.batch_size, getattr(loader.dataset, "img_size", None)
    if size is None or input_hw is None:  # batches of the user's own sampler, pictures of any size
        return
    rest = 0 if loader.drop_last else len(loader.sampler) % size
    if (rest or size) > 1:
        return
    input_hw = size_hw(input_hw)
    if names := _norms_of_one_value(model, input_hw):
        remedy = "raise train_dataloader.batch_size" if size == 1 else "set train_dataloader.drop_last=True"
        raise UsageError(
            f"{len(loader.sampler)} pictures in batches of {size}: one batch is a single picture, at which "
            f"{len(names)} batch norms ({some(names)}) see one value a channel and fail: {remedy}, or change img_size"
        )


def _norms_of_one_value(model: nn.Module, input_hw: tuple[int, int]) -> list[str]:
    """Names of the batch norms that training leaves in training mode and that get one value a channel of a picture."""
    found = []

    def look(name: str, inputs: tuple[Tensor, ...]) -> None:
        if inputs[0].numel() == inputs[0].shape[1]:
            found.append(name)

    model.train()  # some models keep some of their norms in evaluation mode
    handles = [
        norm.register_forward_pre_hook(lambda _, inputs, name=name: look(name, inputs))
        for name, norm in model.named_modules()
        if isinstance(norm, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)) and norm.training
    ]
    try:
        count_macs(model, input_hw)  # runs one picture in evaluation mode, which changes nothing
    finally:
        for handle in handles:
            handle.remove()
    return found


def _check_padding(model: nn.Module, dataset: object) -> None:
    steps = getattr(getattr(dataset, "pipeline", None), "transforms", [])
    centred = any(isinstance(step, Letterbox) and step.centre for step in steps)
    is_of_mmdet = extends(type(model), "mmdet.models.detectors.base.BaseDetector")
    if centred and is_of_mmdet and not getattr(model, "undoes_padding", False):
        raise UsageError(
            f"{type(model).__name__} scales its boxes back and knows of no padding before the picture: take the base "
            "voc0712_320_corner.py, or give the Letterbox of the test pipeline centre=False"
        )
