"""Own pictures: which layout a path is in, and a config that takes its data sets and classes from there. No torch."""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yolo_plugins.config import with_num_classes
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import some, suggest

from . import coco, voc, yolo
from .annotation import check_classes

if TYPE_CHECKING:
    from mmengine.config import Config

LOOKED_FOR = (
    "a YOLO data.yaml, COCO annotations (annotations/*.json, FOLDER/_annotations.coco.json, *.json) or VOC annotations "
    "(VOC20xx with ImageSets/Main and Annotations, FOLDER/*.xml)"
)
_ROLE_NAMES = {
    "train": {"train", "training"},
    "val": {"val", "valid", "validation", "minival", "dev"},
    "test": {"test", "testing"},
    "trainval": {"trainval"},
}
_ANY = "any"  # the role of a split whose name tells none
# What each data loader takes: the first of these that there is.
_TAKES = {
    "train_dataloader": ("train", "trainval", _ANY),
    "val_dataloader": ("val", "test"),
    "test_dataloader": ("test", "val", _ANY),
}
LOADERS = tuple(_TAKES)
_KNOWN_CLASSES = {"VOCDataset": voc.VOC_CLASSES, "COCODataset": coco.COCO_CLASSES}


@dataclass(frozen=True)
class Layout:
    """Where annotated pictures lie, as a data set takes it.

    Attributes:
        name: Of the layout, for messages.
        dataset: The type that reads it.
        data_root: Of the data set.
        splits: Of the data set, by what they are for: "train", "val", "test", "trainval", "any".
        classes: The names in the files.
    """

    name: str
    dataset: str
    data_root: str
    splits: dict[str, list[str]]
    classes: tuple[str, ...]


def find_layout(path: str | Path) -> Layout:
    """The layout of a file or folder.

    Raises:
        UsageError: There is nothing at the path, no layout fits or several do, or no class is found.
    """
    path = Path(path)
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder; give {LOOKED_FOR}")
    yaml = yolo.find_data_yaml(path)
    places: dict[str, tuple[Path, list[str]] | None] = {
        "YOLO": (yaml, []) if yaml else None,
        "COCO": coco.find_splits(path),
        "VOC": voc.find_splits(path),
    }
    found = {name: place for name, place in places.items() if place}
    if len(found) > 1:
        raise UsageError(
            f"{path}: is in {' and in '.join(found)} layout at once; name the data.yaml, the annotation file or the "
            "folder that you mean"
        )
    if not found:
        raise UsageError(f"{path}: no annotated pictures found; looked for {LOOKED_FOR}")
    if yaml:
        data = yolo.read_data_yaml(yaml)
        return Layout("YOLO", "YOLODataset", str(yaml), {split: [split] for split in data.splits}, data.names)
    ((name, (root, splits)),) = found.items()
    classes = (coco if name == "COCO" else voc).find_classes(root, splits)
    if not classes:
        raise UsageError(f"{path}: no class in its {name} annotations ({some(splits)}); annotate some objects first")
    return Layout(name, f"{name}Dataset", str(root), _by_role(splits), classes)


def _by_role(splits: Sequence[str]) -> dict[str, list[str]]:
    roles: dict[str, list[str]] = {}
    for split in splits:
        roles.setdefault(_role(split), []).append(split)
    return roles


def _role(split: str) -> str:
    """By the last word that tells one: of "VOC2007/train", "train2017", "valid/_annotations.coco.json"."""
    for word in reversed(re.findall("[a-z]+", split.lower())):
        for role, names in _ROLE_NAMES.items():
            if word in names:
                return role
    return _ANY


def use_data(
    config: "Config", data: str | Path | None, classes: Sequence[str] | None, loaders: Sequence[str] = ()
) -> str:
    """Puts own pictures, or some of the classes, into a config: data sets, their classes, the model's number of them.

    Pipelines, sizes, samplers and evaluators stay as they are. Where the names found are those of the config, they stay
    in its order. Objects of classes that are not asked for are background, unless the data set's `others` says more.

    Args:
        config: Changed in place.
        data: As for `find_layout`; None leaves the config's data.
        classes: The names to take, in this order; None takes all.
        loaders: Those that need a split, as "train_dataloader"; for others an absent one is no fault.

    Returns:
        One line that tells what was taken; empty where nothing was given.

    Raises:
        UsageError: As `find_layout`; a loader has no split, a data set of the config is none of ours, or a class is
            unknown.
    """
    if data is None and classes is None:
        return ""
    layout = None if data is None else find_layout(data)
    own = _config_classes(config)
    found = layout.classes if layout else own
    names = own if own and set(found) == set(own) else found
    chosen = tuple(classes) if classes is not None else names
    _check_chosen(chosen, names, layout, str(data or "the config's data"))
    for loader in _TAKES:
        if config.get(loader) is not None:
            config[loader] = deepcopy(config[loader])  # that of validation may be that of the test
            dataset = config[loader].dataset
            if "splits" not in dataset:
                raise UsageError(
                    f"{loader}.dataset is {dataset.get('type')}, which has no splits; --data and --classes are for "
                    "VOCDataset, COCODataset, YOLODataset and other data sets of yolo_plugins"
                )
            if layout:
                splits = _splits_for(loader, layout, str(data), loader in loaders)
                dataset.update(_scope_="yolo_plugins", type=layout.dataset, data_root=layout.data_root, splits=splits)
            if dataset.get("others") is None and not set(names) <= set(chosen):
                dataset.others = "background"
            dataset.metainfo = dict(dataset.get("metainfo") or {}, classes=chosen)
    if layout and "data_root" in config:
        config.data_root = layout.data_root
    config.model = with_num_classes(config.model, lambda _: len(chosen))
    return _describe(layout, chosen, names)


def _config_classes(config: "Config") -> tuple[str, ...]:
    """Those that a config's data sets state, or their types."""
    for loader in _TAKES:
        dataset: Mapping[str, Any] = (config.get(loader) or {}).get("dataset") or {}
        stated = (dataset.get("metainfo") or {}).get("classes")
        if stated or dataset.get("type") in _KNOWN_CLASSES:
            return tuple(stated or _KNOWN_CLASSES[dataset["type"]])
    return ()


def _check_chosen(chosen: Sequence[str], names: Sequence[str], layout: Layout | None, source: str) -> None:
    """In VOC's files a class of which there is no object has no name; elsewhere every class has one."""
    check_classes(chosen, None)
    unknown = [name for name in chosen if name not in names]
    if unknown and (layout is None or layout.dataset != "VOCDataset" or len(unknown) == len(chosen)):
        known = f"it has {some(names)}" if names else "it states none"
        raise UsageError(f"--classes {unknown[0]!r}: no class of {source}; {suggest(unknown[0], names, known)}")


def _splits_for(loader: str, layout: Layout, data: str, needed: bool) -> list[str]:
    for role in _TAKES[loader]:
        if role in layout.splits:
            return layout.splits[role]
    if needed:
        present = some([split for splits in layout.splits.values() for split in splits])
        wanted = " or ".join(role for role in _TAKES[loader] if role in ("train", "val", "test"))
        raise UsageError(
            f"{data}: has no {wanted} split, which the {loader} takes; it has {present}: add one, or name the whole"
        )
    return []


def _describe(layout: Layout | None, chosen: Sequence[str], names: Sequence[str]) -> str:
    absent = [name for name in chosen if name not in names]
    without = f", of which no object is named {some(absent)}" if absent else ""
    classes = f"{len(chosen)} class{'es' if len(chosen) > 1 else ''} ({some(chosen)}){without}"
    if layout is None:
        return classes
    splits = ", ".join(f"{role} {' + '.join(splits)}" for role, splits in layout.splits.items())
    return f"{layout.data_root}: {layout.name} layout; splits: {splits}; {classes}"
