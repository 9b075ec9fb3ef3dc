"""Refuses a model that does not go with its data: other numbers of classes, boxes that it would put aside."""

from mmdet.models.detectors import BaseDetector
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, Runner
from torch import nn

from yolo_plugins.checkpoints.classes import check_num_classes
from yolo_plugins.datasets.transforms import Letterbox
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import HOOKS


@HOOKS.register_module()
class ClassCheckHook(Hook):
    """Compares the model with every data set in use, before anything runs.

    `num_classes` of its heads, direct children whose names end with `head`, has to be the number of a data set's
    `metainfo['classes']`; and where a letterbox puts padding before the picture, the model has to say that it takes it
    off again (`undoes_padding`), which MMDetection's whole detectors do not.
    """

    priority = "VERY_HIGH"

    def before_train(self, runner: Runner) -> None:
        """Checks the data sets of the training and of its validations.

        Raises:
            UsageError: Names the head, the data set and both numbers; or the data set and the letterbox's remedy.
        """
        _check(runner, runner.train_loop)
        _check(runner, runner.val_loop)

    def before_val(self, runner: Runner) -> None:
        """Checks the data set of the validation; raises as `before_train`."""
        _check(runner, runner.val_loop)

    def before_test(self, runner: Runner) -> None:
        """Checks the data set of the test; raises as `before_train`."""
        _check(runner, runner.test_loop)


def _check(runner: Runner, loop: BaseLoop | None) -> None:
    if loop is not None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        dataset = loop.dataloader.dataset
        classes = getattr(dataset, "metainfo", {}).get("classes")
        if classes is not None:
            check_num_classes(model, classes, type(dataset).__name__)
        _check_padding(model, dataset)


def _check_padding(model: nn.Module, dataset: object) -> None:
    steps = getattr(getattr(dataset, "pipeline", None), "transforms", [])
    centred = any(isinstance(step, Letterbox) and step.centre for step in steps)
    if centred and isinstance(model, BaseDetector) and not getattr(model, "undoes_padding", False):
        raise UsageError(
            f"{type(model).__name__} scales its boxes back and knows of no padding before the picture: take the base "
            "voc0712_320_corner.py, or give the Letterbox of the test pipeline centre=False"
        )
