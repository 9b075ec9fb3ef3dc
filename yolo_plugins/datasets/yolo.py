"""YOLO's layout on disk: what a `data.yaml` says, where pictures and labels lie, what a label file says. No torch.

Format: docs.ultralytics.com, "Object Detection Datasets Overview" and "Instance Segmentation Datasets Overview".
"""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from yolo_plugins.datasets.annotation import (
    OTHER_CLASS,
    OTHERS_REMEDY,
    Annotation,
    Report,
    check_boxes,
    label_classes,
    refuse,
)
from yolo_plugins.datasets.images import IMAGE_SUFFIXES
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import some

SPLITS = ("train", "val", "test")
YAML_SUFFIXES = (".yaml", ".yml")
_LARGEST_YAML = 1 << 20  # bytes
_SHOWN = 80  # characters of a line
_LINE = "write 'class cx cy w h' or 'class x1 y1 x2 y2 x3 y3 ...', fractions of the picture's size"


@dataclass(frozen=True)
class DataYaml:
    """What a `data.yaml` says.

    Attributes:
        path: The file.
        root: The folder of its `path`, or its own.
        names: The classes; the class index of a label is the place here.
        splits: Folders, or text files with a picture's path a line, as the file names them, by split.
    """

    path: Path
    root: Path
    names: tuple[str, ...]
    splits: dict[str, list[str]]


class _PlainLoader(yaml.SafeLoader):
    """Values only: no tags of Python, no aliases, by which a short file becomes a huge one, no key twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, "an alias (*name); write its value there", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        mapping = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a key stands twice in this dict", node.start_mark)
        return mapping


def read_data_yaml(path: str | Path) -> DataYaml:
    """Reads a `data.yaml`.

    Raises:
        UsageError: It is missing, is no YAML of plain values, names no classes or no split, or its `nc` is not the
            number of its names.
    """
    path = Path(path)
    content = _load(path)
    if not isinstance(content, dict):
        raise UsageError(f"{path}: is no data.yaml: it holds no 'key: value' lines; give names and train, val, test")
    names = _names(path, content.get("names"))
    number = content.get("nc", len(names))
    if number != len(names):
        raise UsageError(f"{path}: nc is {_shown(number)}, but names has {len(names)}; correct one of them")
    splits = {split: _entries(path, split, content[split]) for split in SPLITS if content.get(split) is not None}
    if not splits:
        raise UsageError(f"{path}: has none of train, val and test; give each as a folder of pictures")
    return DataYaml(path, _root(path, content.get("path")), names, splits)


def _load(path: Path) -> Any:
    try:
        if path.stat().st_size > _LARGEST_YAML:
            raise UsageError(
                f"{path}: has over a megabyte, which no data.yaml has; give the data.yaml of your pictures"
            )
        return yaml.load(path.read_text(encoding="utf-8-sig"), _PlainLoader)  # its loader makes plain values only
    except OSError as error:
        raise UsageError(f"{path}: cannot read it ({error.strerror}); give the data.yaml of your pictures") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8 text ({error.reason}); save it as UTF-8") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise UsageError(f"{path}{place}: malformed YAML ({' '.join(str(reason).split())}); correct it") from error
    except (ValueError, RecursionError) as error:  # a date that is none; brackets without end
        raise UsageError(f"{path}: malformed YAML ({type(error).__name__}); correct it") from error


def _names(path: Path, names: Any) -> tuple[str, ...]:
    if isinstance(names, dict):
        if sorted(map(repr, names)) != sorted(map(repr, range(len(names)))):
            keys = _shown(list(names))
            raise UsageError(f"{path}: the keys of names are {keys}; number the classes 0, 1, 2 ... without a gap")
        names = [names[k] for k in range(len(names))]
    if not isinstance(names, list) or not names:
        found = "is missing" if names is None else f"is {_shown(names)}"
        raise UsageError(f"{path}: names {found}; write names: [cat, dog], or 0: cat and 1: dog below it")
    texts = [str(name) if type(name) is int else name for name in names]
    for k, name in enumerate(texts):
        if not isinstance(name, str) or not name.strip():
            raise UsageError(f"{path}: names[{k}] is {_shown(name)}, no text; put it in quotes")
        if name in texts[:k]:
            raise UsageError(f"{path}: names[{k}] is {name!r}, as names[{texts.index(name)}] is; rename one of them")
    return tuple(texts)


def _entries(path: Path, split: str, value: Any) -> list[str]:
    entries = value if isinstance(value, list) else [value]
    if not entries or not all(isinstance(entry, str) and entry.strip() for entry in entries):
        raise UsageError(
            f"{path}: {split} is {_shown(value)}; give a folder of pictures, a text file of their paths, or a list of "
            "these"
        )
    return entries


def _root(path: Path, stated: Any) -> Path:
    if stated is None or stated == "":
        return path.parent
    if not isinstance(stated, str):
        raise UsageError(f"{path}: path is {_shown(stated)}; give the folder of the pictures, or leave it out")
    return path.parent / stated


def list_pictures(data: DataYaml, split: str) -> Iterator[Path]:
    """The pictures of a split, in no order; those of folders also from the folders within.

    Raises:
        UsageError: The file does not name the split, an entry of it does not exist, or it has no picture.
    """
    if split not in data.splits:
        raise UsageError(f"{data.path}: has no {split!r}; it has {', '.join(data.splits)}")
    found = False
    for entry in data.splits[split]:
        place = _find(data, split, entry)
        for picture in _listed(place, data.root) if place.is_file() else _within(place):
            found = True
            yield picture
    if not found:
        raise UsageError(f"{data.path}: {split} has no picture ({_shown(data.splits[split])}); put some there")


def _find(data: DataYaml, split: str, entry: str) -> Path:
    """Relative to `path`, else to the file's folder; the `../train/images` of Roboflow lies one folder deeper."""
    bases = list(dict.fromkeys((data.root, data.path.parent)))
    candidates = [base / entry for base in bases]
    if entry.startswith("../"):
        candidates += [base / entry.removeprefix("../") for base in bases]
    for candidate in candidates:
        if candidate.exists():
            return candidate
    looked = " nor ".join(map(str, candidates[: len(bases)]))
    raise UsageError(f"{data.path}: {split}: no such folder or file {looked}; correct {split} or path")


def _listed(file: Path, root: Path) -> list[Path]:
    """The pictures that a text file lists: relative to it, or to the root, or to the current folder."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no UTF-8 text"
        raise UsageError(f"{file}: cannot read the list of pictures ({reason}); write a path a line") from error
    lines = [line for line in lines if line]
    bases = [file.parent, root, Path()]
    base = next((base for base in bases if any(os.path.isfile(base / line) for line in lines[:1])), file.parent)
    return [base / line for line in lines]


def _within(folder: Path) -> Iterator[Path]:
    seen = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # a link to a folder above
            folders.clear()
            continue
        seen.add(real)
        yield from (Path(place, name) for name in names if name.lower().endswith(IMAGE_SUFFIXES))


class LabelFiles:
    """Where the labels of pictures lie; a folder is listed once."""

    def __init__(self) -> None:
        self._names: dict[Path, set[str]] = {}
        self._owner: dict[Path, Path] = {}

    def path(self, picture: Path) -> Path:
        """The label file of a picture, also where there is none: the last folder `images` of its path is `labels`.

        A file beside the picture is taken where there is none there.

        Raises:
            UsageError: It is that of another picture as well.
        """
        parts = list(picture.parts)
        name = f"{picture.stem}.txt"
        beside = path = picture.with_name(name)
        places = [k for k, part in enumerate(parts[:-1]) if part == "images"]
        if places:
            parts[places[-1]] = "labels"
            path = Path(*parts).with_name(name)
            path = path if name in self._listing(path.parent) or name not in self._listing(picture.parent) else beside
        owner = self._owner.setdefault(path, picture)
        if owner != picture:
            raise UsageError(f"{picture}: has the label file of {owner.name}, {path}; rename one of the pictures")
        return path

    def strangers(self) -> Iterator[Path]:
        """Label files in the folders looked into that are those of no picture asked for."""
        for folder, names in self._names.items():
            own = (folder / name for name in sorted(names - {"classes.txt"}))  # which labelling programs write
            yield from (path for path in own if path not in self._owner)

    def _listing(self, folder: Path) -> set[str]:
        if folder not in self._names:
            names = os.listdir(folder) if folder.is_dir() else []
            self._names[folder] = {name for name in names if name.endswith(".txt")}
        return self._names[folder]


def read_labels(
    path: Path,
    picture: Path,
    size_wh: tuple[int, int],
    names: Sequence[str],
    classes: Sequence[str],
    others: str | None = None,
    clip: bool = False,
    report: Report = refuse,
) -> Annotation:
    """Reads the label file of one picture; polygons become the boxes around them.

    Args:
        path: The file; where there is none, or its text is empty, there are no objects.
        picture: The picture, for its name.
        size_wh: Its width and height in pixels.
        names: The classes that the file's numbers mean.
        classes: Those that are asked for; a label is the index into them.
        others: What becomes of objects of other classes, see `label_classes`.
        clip: Whether boxes may leave their picture, see `check_boxes`.
        report: Is told each fault of a line.

    Returns:
        The annotation, with the sound objects only, none of them difficult.

    Raises:
        UsageError: The file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        text = ""
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no UTF-8 text"
        raise UsageError(f"{path}: cannot read the labels ({reason}); {_LINE}") from error
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    rows = []
    for number, line in lines:
        values = _numbers(line)
        fault = _line_fault(line, values, len(names))
        if fault:
            report(f"{path}: line {number}: {fault}")
        else:
            rows.append((number, line, int(values[0]), _corners(values[1:])))
    object_names = [names[index] for _, _, index, _ in rows]
    labels, wanted, class_faults = label_classes(object_names, classes, others)
    fractions = np.array([corners for *_, corners in rows], dtype=np.float64).reshape(-1, 4)
    bboxes, has_area, box_faults = check_boxes(
        fractions * np.tile(size_wh, 2), np.tile(size_wh, (len(rows), 1)), clip, lambda k: f"'{_short(rows[k][1])}'"
    )
    for k, (number, *_) in enumerate(rows):
        faults = [fault for fault in (class_faults.get(k), box_faults.get(k)) if fault]
        for fault in faults:
            remedy = OTHERS_REMEDY if fault == class_faults.get(k) else "correct the line"
            report(f"{path}: line {number}: {fault}; {remedy}")
        wanted[k] &= not faults
    sound = wanted & has_area
    return Annotation(
        filename=picture.name,
        width=size_wh[0],
        height=size_wh[1],
        bboxes=bboxes[sound],
        labels=labels[sound],
        difficult=(labels == OTHER_CLASS)[sound],
        without_area=int((wanted & ~has_area).sum()),
        others=tuple(name for name, label in zip(object_names, labels, strict=True) if label == OTHER_CLASS),
    )


def _numbers(line: str) -> list[float]:
    """The numbers of a line; NaN in place of what is none."""
    values = []
    for text in line.split():
        try:
            values.append(float(text))
        except ValueError:
            values.append(math.nan)
    return values


def _line_fault(line: str, values: list[float], num_classes: int) -> str:
    """What is wrong with the form of a line; empty where nothing is."""
    if any(map(math.isnan, values)):
        return f"'{_short(line)}' is not numbers only; {_LINE}"
    if len(values) != 5 and (len(values) < 7 or len(values) % 2 == 0):
        return f"'{_short(line)}' has {len(values)} numbers; {_LINE}"
    if not (values[0].is_integer() and 0 <= values[0] < num_classes):
        return f"class {line.split()[0]} of '{_short(line)}' is none of 0 to {num_classes - 1}; correct it, or names"
    return ""


def _corners(values: list[float]) -> tuple[float, float, float, float]:
    """xyxy of a box (centre and size) or around a polygon, as fractions of the picture."""
    if len(values) == 4:
        x, y, width, height = values
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2
    return min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])


def _short(line: str) -> str:
    text = " ".join(line.split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _shown(value: Any) -> str:
    return _short(repr(value))


def find_data_yaml(path: Path) -> Path | None:
    """The `data.yaml` that a path is, or the only one in a folder; None where it is neither.

    Raises:
        UsageError: The folder holds several.
    """
    if path.suffix.lower() in YAML_SUFFIXES:
        return path
    found = [file for file in sorted(path.iterdir()) if file.suffix.lower() in YAML_SUFFIXES] if path.is_dir() else []
    found = [file for file in found if _may_be_data(file)]
    if len(found) > 1:
        raise UsageError(f"{path}: holds {some([file.name for file in found])}; name the one that you mean")
    return found[0] if found else None


def _may_be_data(path: Path) -> bool:
    """Whether a file has a key of a `data.yaml`, or has a fault that its user should be told of."""
    try:
        content = _load(path)
    except UsageError:
        return True
    return isinstance(content, dict) and any(key in content for key in ("names", *SPLITS))
