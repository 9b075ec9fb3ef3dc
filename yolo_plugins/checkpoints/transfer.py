"""How a model starts from the weights of a file: what depends on the classes moves by their names."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from yolo_plugins.checkpoints.classes import check_class_names, class_names, class_tensors
from yolo_plugins.checkpoints.read import check_fits
from yolo_plugins.checkpoints.stated import stated, take_stated
from yolo_plugins.checkpoints.synonyms import meaning
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import some

_BEFORE_CLASSES = (0, 5)  # rows of an anchor that belong to no class: none, or box and objectness
Places = Sequence[int | None]  # for each class, its number in the file


class Start(NamedTuple):
    """What a model starts from.

    Attributes:
        weights: For the whole model.
        taken: What of the file went into them, as it stands there.
        told: Sentences that say what was taken, and what is not as the config has it.
    """

    weights: Mapping[str, Tensor]
    taken: Mapping[str, Tensor]
    told: list[str]


def fit(
    checkpoint: Mapping[str, Any],
    model: nn.Module,
    config: Mapping[str, Any],
    classes: Sequence[str] | None,
    filename: str,
    training: bool = False,
    by_name: bool = False,
) -> Start:
    """Weights for a model out of a file; the model takes over its anchors, too.

    The file's classes have to be those of the data set, in their order; `by_name` only as far as the rows of the head
    tell them apart. Then rows go by the names of the classes, or their synonyms. A class that the file does not know,
    and tensors without rows of classes, keep what the model has.

    Args:
        checkpoint: As it was read.
        model: Initialised.
        config: With `model`, and `partial` where what does not fit shall keep what the model has.
        classes: Those of the data set; None where it states none.
        filename: Of the checkpoint.
        training: Whether the model is trained then: it may know none of its classes yet, and anchors that the config
            states hold.
        by_name: Whether the classes may be others.

    Raises:
        UsageError: A tensor does not fit; the classes are others; two of the file's mean the same; none of them is
            known, in a test; nothing fits in part; the anchors are none.
    """
    given, partial = checkpoint["state_dict"], bool(by_name and config.get("partial"))
    if by_name:
        start = _start(checkpoint, model, config.get("model") or {}, classes, filename, training, partial)
    else:
        check_class_names(checkpoint, classes, filename)
        start = Start(given, given, [])
    if not partial:
        check_fits(model, start.weights, filename, _remedy(checkpoint, model, given, by_name))
    return start._replace(told=[*start.told, *take_stated(checkpoint, model, config, start.taken, filename, training)])


def _start(
    checkpoint: Mapping[str, Any],
    model: nn.Module,
    cfg: Mapping[str, Any],
    classes: Sequence[str] | None,
    filename: str,
    training: bool,
    partial: bool,
) -> Start:
    own, given, told = model.state_dict(), checkpoint["state_dict"], []
    by_class = {
        key: 0 if key.startswith("roi_head.") else rows  # these may have a box of four rows for each class
        for key, rows in class_tensors(model, cfg).items()
    }
    if partial:
        given = _fitting(own, given, by_class)
        told = [f"{filename}: {_parts(own, given)}"]
        if not given:
            raise UsageError(f"{told[0]}; give the weights of a model more like this one")
    names, by_class = class_names(checkpoint, filename), {key: by_class[key] for key in by_class if key in given}
    moved: dict[str, Tensor | None] = {}
    if names is not None and classes is not None and names == tuple(classes):
        sentence = f"all {len(names)} classes"
    elif names is None and all(given[key].shape == own[key].shape for key in by_class):
        sentence = "it names no classes: they are taken for those of the config, in their order"
    elif not by_class and not partial:
        check_class_names(checkpoint, classes, filename)
        sentence = "no tensor depends on the number of classes"
    else:
        places = match_classes(names or (), classes or (), filename)
        if not training and all(place is None for place in places):
            known = f"its classes are {some(names)}" if names else "it names no classes"
            raise UsageError(f"{filename}: {known}, none of the config's ({some(classes or ())}); give other weights")
        moved = {key: _moved(own[key], given[key], rows, names, places) for key, rows in by_class.items()}
        sentence = _told(names, classes or (), places, [key for key, tensor in moved.items() if tensor is None])
    number = len(given) - sum(tensor is None for tensor in moved.values())
    weights = {
        **(own if partial else {}),
        **given,
        **{key: own[key] if tensor is None else tensor for key, tensor in moved.items()},
    }
    return Start(weights, given, [f"{filename}: {number} tensors taken; {sentence}", *told])


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
    own: Tensor, given: Tensor, rows_of_class: int, names: Sequence[str] | None, places: Places
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


def _told(names: Sequence[str] | None, classes: Sequence[str], places: Places, anew: Sequence[str]) -> str:
    taken, new = [], []
    for label, number in zip(classes, places, strict=True):
        if number is None or names is None:
            new.append(label)
        else:
            name = names[number] if names[number].isprintable() else repr(names[number])
            taken.append(label if label == name else f"{label} ({name})")
    parts = [] if names else ["it has another number of classes and names none"]
    parts += [f"classes taken by name: {', '.join(taken)}"] if taken else []
    parts += [f"classes that start anew: {', '.join(new)}"] if new else []
    parts += [f"tensors that start anew: {', '.join(anew)}"] if anew else []
    return "; ".join(parts)


# --- parts of a model


def _fitting(own: Mapping[str, Tensor], given: Mapping[str, Tensor], by_class: Mapping[str, int]) -> dict[str, Tensor]:
    """What of a file has the names and the shapes of a model's tensors, layer by layer; the backbone as a whole."""
    other = {
        _unit(key)
        for key, value in own.items()
        if key not in given or given[key].shape[key in by_class :] != value.shape[key in by_class :]
    }
    return {key: given[key] for key in own if _unit(key) not in other}


def _unit(key: str) -> str:
    """What is taken as a whole, or not at all: a backbone, or a layer."""
    return "backbone" if key.startswith("backbone.") else key.rpartition(".")[0]


def _parts(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    """How many tensors of each part are taken, and the names of those that are not."""
    told = []
    for part in dict.fromkeys(key.partition(".")[0] for key in own):
        keys = [key for key in own if key.partition(".")[0] == part]
        anew = [key for key in keys if key not in given]
        taken = f"{part} {len(keys) - len(anew) or 'none'} of {len(keys)} tensors"
        told.append(f"{taken}, not {', '.join(anew)}" if 0 < len(anew) < len(keys) else taken)
    return f"by part: {'; '.join(told)}"


def _remedy(checkpoint: Mapping[str, Any], model: nn.Module, given: Mapping[str, Tensor], by_name: bool) -> str:
    """What to do with weights that do not fit."""
    known = stated(checkpoint, "model")
    remedy = (
        f"they are of {known}: give a config of it, such as {known}_voc"
        if known
        else "give the config it was trained with"
    )
    hint = ", or add --partial, which takes what fits" if by_name and _fitting(model.state_dict(), given, {}) else ""
    return remedy + hint
