"""How a model starts from the weights of a file: what depends on the classes moves by their names."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from yolo_plugins.checkpoints.classes import check_class_names, class_names, class_tensors
from yolo_plugins.checkpoints.synonyms import meaning
from yolo_plugins.errors import UsageError

_BEFORE_CLASSES = (0, 5)  # rows of an anchor that belong to no class: none, or box and objectness


def start_from(
    checkpoint: dict[str, Any], model: nn.Module, cfg: Mapping[str, Any], classes: Sequence[str] | None, filename: str
) -> str:
    """Makes a checkpoint fit a model of other classes, or of the same in another order.

    Rows of the head go by the names of the classes, or their synonyms. A class that the checkpoint does not know, and
    tensors that do not tell their classes apart by rows, keep what the model has.

    Args:
        checkpoint: As it was read; its `state_dict` is replaced where the classes differ.
        model: Initialised.
        cfg: Config of the model.
        classes: Those of the data set; None where it states none.
        filename: Of the checkpoint.

    Returns:
        A sentence that says how many tensors and which classes were taken, and what starts anew.

    Raises:
        UsageError: The classes are others, and no tensor depends on their number; or two of the checkpoint's mean the
            same.
    """
    names, own, weights = class_names(checkpoint, filename), model.state_dict(), checkpoint["state_dict"]
    total = f"{filename}: {len(weights)} tensors taken"
    if names is not None and classes is not None and names == tuple(classes):
        return f"{total}, all {len(names)} classes"
    if names is None and all(weights[key].shape == own[key].shape for key in own.keys() & weights.keys()):
        return f"{total}; it names no classes: they are taken for those of the config, in their order"
    by_class = {
        key: 0 if key.startswith("roi_head.") else rows  # these may have a box of four rows for each class
        for key, rows in class_tensors(model, cfg).items()
        if key in weights
    }
    if not by_class:
        check_class_names(checkpoint, classes, filename)
        return total
    places = match_classes(names or (), classes or (), filename)
    moved = {key: _moved(own[key], weights[key], rows, names, places) for key, rows in by_class.items()}
    anew = [key for key, tensor in moved.items() if tensor is None]
    checkpoint["state_dict"] = weights | {key: own[key] if new is None else new for key, new in moved.items()}
    return f"{filename}: {len(weights) - len(anew)} tensors taken; {_told(names, classes or (), places, anew)}"


def match_classes(names: Sequence[str], classes: Sequence[str], filename: str) -> list[int | None]:
    """For each class the number of the name that means the same, each given once; None where there is none.

    The same word goes before a synonym.

    Raises:
        UsageError: Two names mean the same class.
    """
    places: list[int | None] = [None] * len(classes)
    for same in (str, meaning):
        free = [number for number in range(len(names)) if number not in places]
        for place, label in enumerate(classes):
            found = [number for number in free if places[place] is None and same(names[number]) == same(label)]
            if len(found) > 1:
                raise UsageError(
                    f"{filename}: its classes {names[found[0]]!r} and {names[found[1]]!r} both mean {label!r}; give "
                    "weights whose classes have a name each"
                )
            if found and found[0] not in places:
                places[place] = found[0]
    return places


def _moved(
    own: Tensor, given: Tensor, rows_of_class: int, names: Sequence[str] | None, places: Sequence[int | None]
) -> Tensor | None:
    """A class tensor with the rows that are known; None where it starts anew as a whole.

    Both are (A * (B + K), ...): anchors, rows before the classes, classes.
    """
    if own.shape[1:] != given.shape[1:]:
        return given  # of another model, which is refused
    if not rows_of_class or own.shape[0] % rows_of_class or given.shape[0] % rows_of_class:
        return None
    new, old = (tensor.unflatten(0, (rows_of_class, -1)) for tensor in (own.clone(), given))
    before = new.shape[1] - len(places)
    if before not in _BEFORE_CLASSES or (names is not None and old.shape[1] != before + len(names)):
        return None
    new[:, :before] = old[:, :before]
    for place, number in enumerate(places):
        if number is not None:
            new[:, before + place] = old[:, before + number]
    return new.flatten(0, 1)


def _told(
    names: Sequence[str] | None, classes: Sequence[str], places: Sequence[int | None], anew: Sequence[str]
) -> str:
    taken, new = [], []
    for label, number in zip(classes, places, strict=True):
        if number is None or names is None:
            new.append(label)
        else:
            taken.append(label if label == names[number] else f"{label} ({names[number]})")
    parts = [] if names else ["it has another number of classes and names none"]
    parts += [f"classes taken by name: {', '.join(taken)}"] if taken else []
    parts += [f"classes that start anew: {', '.join(new)}"] if new else []
    parts += [f"tensors that start anew: {', '.join(anew)}"] if anew else []
    return "; ".join(parts)
