"""Refuses a model whose number of classes is not that of the data."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, Runner
from torch import nn

from yolo_plugins.errors import UsageError
from yolo_plugins.registry import HOOKS


@HOOKS.register_module()
class ClassCheckHook(Hook):
    """Compares `num_classes` of the model's heads with the classes of every data set in use, before anything runs.

    A head is a direct child of the model whose name ends with `head`; a data set states `metainfo['classes']`.
    """

    priority = "VERY_HIGH"

    def before_run(self, runner: Runner) -> None:
        """Checks the data sets of the loops that this run has built: training, validation, test.

        Raises:
            UsageError: Names the head, the data set and both numbers.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        for loop in (runner._train_loop, runner._val_loop, runner._test_loop):
            if isinstance(loop, BaseLoop):
                _check(model, loop.dataloader.dataset)


def _check(model: nn.Module, dataset: object) -> None:
    classes = getattr(dataset, "metainfo", {}).get("classes")
    if classes is None:
        return
    for name, head in model.named_children():
        num_classes = getattr(head, "num_classes", None)
        if name.endswith("head") and num_classes is not None and num_classes != len(classes):
            raise UsageError(
                f"model.{name}.num_classes={num_classes}, but {type(dataset).__name__} has {len(classes)} classes "
                f"({_some(classes)}): set model.{name}.num_classes={len(classes)} or choose the matching data set"
            )


def _some(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
