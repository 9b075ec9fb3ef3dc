"""A model's classes are names, not a count: those of a checkpoint, of a model and of a data set, compared."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from mmengine.config import ConfigDict
from torch import nn

from yolo_plugins.config import with_num_classes
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import some
from yolo_plugins.registry import MODELS

_LISTED = 12  # names of two lists that a message still shows


def class_names(checkpoint: Mapping[str, Any], filename: str) -> tuple[str, ...] | None:
    """The classes that a checkpoint was trained on, in their order; None where it does not say, as official files.

    Raises:
        UsageError: What it says are no names.
    """
    content: Any = checkpoint
    for key in ("meta", "dataset_meta", "classes"):
        content = content.get(key) if isinstance(content, Mapping) else None
    if content is None:
        return None
    if not isinstance(content, (list, tuple)) or not all(isinstance(name, str) for name in content):
        raise UsageError(f"{filename}: its classes are {content!r:.80}, no list of names; give another checkpoint")
    return tuple(content)


def check_class_names(checkpoint: Mapping[str, Any], classes: Sequence[str] | None, filename: str) -> None:
    """Refuses a checkpoint of other classes, or of the same in another order; one that does not say is taken.

    Args:
        checkpoint: As it was read.
        classes: Those of the data set; None where it states none.
        filename: Of the checkpoint.

    Raises:
        UsageError: With both lists; of long ones, the first names that differ.
    """
    names = class_names(checkpoint, filename)
    if names is not None and classes is not None and names != tuple(classes):
        raise UsageError(
            f"{filename}: {_difference(names, classes)}; give the config that it was trained with, or "
            "start from it by --weights"
        )


def class_tensors(model: nn.Module, cfg: Mapping[str, Any]) -> dict[str, int]:
    """A model's tensors whose shape follows the number of classes: it is built again with one more.

    Returns:
        By name, the rows that one class adds to the first dimension; 0 where it changes another one.
    """
    more = with_num_classes(cfg, lambda number: number + 1)
    if more == cfg:  # it states no number of classes
        return {}
    other = MODELS.build(ConfigDict(more)).state_dict()
    return {
        key: other[key].shape[0] - value.shape[0] if other[key].shape[1:] == value.shape[1:] else 0
        for key, value in model.state_dict().items()
        if key in other and other[key].shape != value.shape
    }


def check_num_classes(model: nn.Module, classes: Sequence[str], owner: str) -> None:
    """Compares `num_classes` of a model's heads with the classes of a data set.

    Args:
        model: A detector; its heads are direct children whose names end with `head`.
        classes: Those of the data set.
        owner: What messages call the data set.

    Raises:
        UsageError: Names the head, the data set and both numbers.
    """
    for name, head in model.named_children():
        num_classes = getattr(head, "num_classes", None)
        if name.endswith("head") and name != "rpn_head" and num_classes is not None and num_classes != len(classes):
            raise UsageError(
                f"model.{name}.num_classes={num_classes}, but {owner} has {len(classes)} classes ({some(classes)}): "
                f"set model.{name}.num_classes={len(classes)} or choose the matching data set"
            )


def _difference(names: Sequence[str], classes: Sequence[str]) -> str:
    if len(names) + len(classes) <= _LISTED:
        return f"its classes are {', '.join(names)}, those of the config {', '.join(classes)}"
    pairs = enumerate(zip_longest(names, classes), 1)
    number, (theirs, ours) = next((number, pair) for number, pair in pairs if pair[0] != pair[1])
    return (
        f"its {len(names)} classes are not the {len(classes)} of the config; number {number} is {_quoted(theirs)} "
        f"there, {_quoted(ours)} in the config"
    )


def _quoted(name: str | None) -> str:
    return "missing" if name is None else repr(name)
