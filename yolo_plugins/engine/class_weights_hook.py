"""Weighs the class loss of each object by its class: the key `class_weights` of a config."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from yolo_plugins.engine.unwrapped import unwrapped
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import suggest
from yolo_plugins.registry import HOOKS

ClassWeights = str | Sequence[float] | Mapping[str, float]


@HOOKS.register_module()
class ClassWeightsHook(Hook):
    """Gives the loss of the head the weight of each class.

    Args:
        weights: A list in the order of the classes; a dict by their names, 1 for those that it leaves out; or
            "balanced": objects / (classes * objects of the class), by those of the training set, so that each class
            counts the same and the mean over all objects is 1.
    """

    def __init__(self, weights: ClassWeights) -> None:
        self._weights = weights

    def before_train(self, runner: Runner) -> None:
        """Sets them.

        Raises:
            UsageError: The loss takes none, or they do not fit the classes of the training set.
        """
        model, dataset = unwrapped(runner.model), runner.train_dataloader.dataset
        loss: Any = getattr(getattr(model, "bbox_head", None), "loss_module", None)
        if not hasattr(loss, "class_weights"):
            kind = type(getattr(model, "bbox_head", model)).__name__
            raise UsageError(f"class_weights={self._weights!r}: {kind} takes none, only YOLOLoss does; remove the key")
        device = next(model.parameters()).device
        loss.class_weights = torch.tensor(weights_of_classes(self._weights, dataset), device=device)


def weights_of_classes(weights: ClassWeights, dataset: Any) -> list[float]:
    """The weight of each class of a data set, in their order; see `ClassWeightsHook`.

    Raises:
        UsageError: A list of another length, or a name that is no class.
    """
    classes = list(dataset.metainfo["classes"])
    if weights == "balanced":
        labels = [label for index in range(len(dataset)) for label in dataset.get_cat_ids(index)]
        counts = np.bincount(np.array(labels, int), minlength=len(classes))
        return (len(labels) / (np.count_nonzero(counts) * counts.clip(min=1))).tolist()
    if isinstance(weights, Mapping):
        for name in weights:
            if name not in classes:
                raise UsageError(f"class_weights: {name!r} is no class of the data; {suggest(name, classes)}")
        return [float(weights.get(name, 1.0)) for name in classes]
    if len(weights) != len(classes):
        raise UsageError(
            f"class_weights has {len(weights)} numbers for {len(classes)} classes; give one for each, or a dict by name"
        )
    return [float(weight) for weight in weights]
