"""PASCAL VOC on disk: where its files lie, what a split lists, what an annotation says. Needs no torch.

Layout and fields: VOC2012 development kit documentation, sections 2 and 11 (Everingham and Winn, 2012).
"""

import codecs
import math
import os
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from yolo_plugins.datasets.annotation import (
    OTHER_CLASS,
    OTHERS_REMEDY,
    Annotation,
    Report,
    check_boxes,
    label_classes,
    refuse,
    reporting,
)
from yolo_plugins.datasets.images import IMAGE_SUFFIXES
from yolo_plugins.errors import UsageError

# The official names in the official (alphabetical) order: the class index of a label is its place here.
VOC_CLASSES: tuple[str, ...] = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)

_USUAL_SPLITS = ("train", "val", "trainval", "test")
_BOX_TAGS = ("xmin", "ymin", "xmax", "ymax")


def annotation_path(data_root: str | Path, sub: str, image_id: str) -> Path:
    """Path of the XML of picture `image_id` in sub-folder `sub` ("VOC2007") of the VOCdevkit folder `data_root`."""
    return Path(data_root) / sub / "Annotations" / f"{image_id}.xml"


def image_path(data_root: str | Path, sub: str, image_id: str) -> Path:
    """Path of picture `image_id` in sub-folder `sub`, see `PictureFolder`; for one picture, not for many."""
    return PictureFolder(Path(data_root) / sub / "JPEGImages").path(image_id)


class PictureFolder:
    """The pictures of a folder.

    The stem decides, whatever the suffix and whatever an annotation says of it. A folder is listed once, when it is
    first asked for: with a look-up for each picture a hundred thousand of them would take minutes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listed: dict[Path, dict[str, list[str]]] = {}

    def names(self) -> list[str]:
        """The stems of the pictures in the folder itself."""
        return list(self._listing(self._folder))

    def path(self, image_id: str) -> Path:
        """Path of a picture.

        Raises:
            UsageError: There is no such picture, or there are several.
        """
        wanted = self._folder / image_id
        names = self._listing(wanted.parent).get(wanted.name, [])
        if not names:
            kinds = ", ".join(IMAGE_SUFFIXES)
            raise UsageError(
                f"{wanted}.jpg: no such image, nor one of another suffix ({kinds}); "
                "restore the file or take it off its split"
            )
        if len(names) > 1:
            both = " and ".join(sorted(names))
            raise UsageError(f"{wanted.parent}: {both} are pictures of one name; remove all but one")
        return wanted.parent / names[0]

    def _listing(self, folder: Path) -> dict[str, list[str]]:
        if folder not in self._listed:
            self._listed[folder] = _names_by_stem(folder)
        return self._listed[folder]


def _names_by_stem(folder: Path) -> dict[str, list[str]]:
    """Names of the picture files of a folder by their stems; none where there is no folder."""
    names: dict[str, list[str]] = {}
    for name in os.listdir(folder) if folder.is_dir() else []:
        stem, suffix = os.path.splitext(name)
        if suffix.lower() in IMAGE_SUFFIXES:
            names.setdefault(stem, []).append(name)
    return names


def split_path(data_root: str | Path, sub: str, split: str) -> Path:
    """Path of the list of `split` ("train") in sub-folder `sub` ("VOC2007") of the VOCdevkit folder `data_root`."""
    return Path(data_root) / sub / "ImageSets" / "Main" / f"{split}.txt"


def parse_split(entry: str) -> tuple[str, str]:
    """Sub-folder and name of a split that is written "VOC2007/train".

    Raises:
        UsageError: It is not.
    """
    sub, slash, split = str(entry).partition("/")
    if not (sub and slash and split):
        raise UsageError(
            f"splits: {entry!r} is not of the form 'VOC2007/train', nor a folder of .xml files beside their pictures; "
            "write FOLDER/SPLIT"
        )
    return sub, split


def read_split(data_root: str | Path, sub: str, split: str) -> list[str]:
    """Names of the pictures of one split, in the order of its file.

    Args:
        data_root: The VOCdevkit folder, which holds `VOC2007` and `VOC2012`.
        sub: Sub-folder, e.g. "VOC2007".
        split: Name of the split, e.g. "train", "test".

    Raises:
        UsageError: The folder or the list is missing, is not text, or lists no picture.
    """
    path = split_path(data_root, sub, split)
    if not Path(data_root).is_dir():
        raise UsageError(
            f"{data_root}: no such data folder; set data_root to a VOCdevkit folder or run yolo-plugins download-voc"
        )
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UsageError(
            f"{path}: cannot read the split ({error.strerror}); set data_root to the folder that holds {sub}"
        ) from error
    except ValueError as error:
        raise UsageError(f"{path}: the split is not UTF-8 text; write one picture name per line") from error
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise UsageError(f"{path}: the split is empty; write one picture name per line")
    return names


def split_files(data_root: str | Path, entry: str) -> tuple[PictureFolder, list[tuple[str, Path]]]:
    """Where the pictures of a split lie, and the name and the XML of each.

    Args:
        data_root: The folder that holds it.
        entry: "VOC2007/train", or the name of a folder in which each XML lies beside its picture.

    Raises:
        UsageError: It is neither, or its list cannot be read.
    """
    folder = Path(data_root) / entry
    if is_flat(folder):
        pictures = PictureFolder(folder)
        names = sorted({path.stem for path in folder.glob("*.xml")} | set(pictures.names()))
        return pictures, [(name, folder / f"{name}.xml") for name in names]
    sub, split = parse_split(entry)
    names = read_split(data_root, sub, split)
    pictures = PictureFolder(Path(data_root) / sub / "JPEGImages")
    return pictures, [(name, annotation_path(data_root, sub, name)) for name in names]


def is_flat(folder: Path) -> bool:
    """Whether a folder holds XML files, each beside its picture."""
    return folder.name != "Annotations" and next(folder.glob("*.xml"), None) is not None


def find_splits(folder: Path) -> tuple[Path, list[str]] | None:
    """`data_root` and `splits` of a folder in one of VOC's layouts; None where it is in none.

    These are a VOCdevkit folder, one VOC20xx folder of it, and a folder of XML files beside their pictures, or of such
    folders.
    """
    if not folder.is_dir():
        return None
    if _is_year(folder):
        folder = folder.absolute()
        return folder.parent, _year_splits(folder)
    years = [path for path in sorted(folder.iterdir()) if _is_year(path)]
    if years:
        return folder, [split for year in years for split in _year_splits(year)]
    flat = [path.relative_to(folder).as_posix() for path in (folder, *sorted(folder.iterdir())) if is_flat(path)]
    return (folder, flat) if flat else None


def _is_year(folder: Path) -> bool:
    return (folder / "Annotations").is_dir() and (folder / "ImageSets" / "Main").is_dir()


def _year_splits(year: Path) -> list[str]:
    """The usual lists of a VOC20xx folder, or all where it has none of them: the official ones have many by class."""
    names = sorted(path.stem for path in (year / "ImageSets" / "Main").glob("*.txt"))
    usual = [name for name in names if name in _USUAL_SPLITS]
    return [f"{year.name}/{name}" for name in usual or names]


def find_classes(data_root: Path, splits: Sequence[str]) -> tuple[str, ...]:
    """The names that occur in the annotations of some splits, sorted; what cannot be read is passed over.

    Raises:
        UsageError: There are no names because of a fault; tells the first.
    """
    faults: list[str] = []
    found: set[str] = set()
    for entry in splits:
        with reporting(faults.append):
            for _, path in split_files(data_root, entry)[1]:
                with reporting(faults.append):
                    found.update(_text(node, "name") for node in _parse(path).findall("object"))
    if faults and not found:
        raise UsageError(faults[0])
    return tuple(sorted(found - {""}))


def read_annotation(
    xml_path: str | Path,
    classes: Sequence[str] = VOC_CLASSES,
    others: str | None = None,
    clip: bool = False,
    report: Report = refuse,
) -> Annotation:
    """Reads one VOC XML.

    Args:
        xml_path: The annotation file.
        classes: Names of the classes; a label is the index into them.
        others: What becomes of objects of other classes, see `label_classes`.
        clip: Whether boxes may leave their picture, see `check_boxes`.
        report: Is told each fault of an object.

    Returns:
        The annotation, with the sound objects only. A box is the area which the 1-based inclusive box of the file
        covers, (xmin - 1, ymin - 1, xmax, ymax); `filename` is the XML's own stem with `.jpg` where it gives none.

    Raises:
        UsageError: The file is missing or malformed, or has no size. Names it.
    """
    path = Path(xml_path)
    root = _parse(path)
    size = [_number(root, f"size/{tag}") for tag in ("width", "height")]
    if not all(1 <= side < math.inf and side.is_integer() for side in size):
        raise _fault(path, "no <size> with a positive whole <width> and <height>")
    # Only direct children: the <part> of a person holds a <bndbox> of its own.
    nodes = root.findall("object")
    faults = _layout_faults(root, nodes)
    names = [_text(node, "name") for node in nodes]
    labels, wanted, class_faults = label_classes(names, classes, others)
    if class_faults:  # the remedy once, not at every object
        class_faults[min(class_faults)] += f" ({OTHERS_REMEDY})"
    corners = np.array([[_number(node, f"bndbox/{tag}") for tag in _BOX_TAGS] for node in nodes]).reshape(-1, 4)
    bboxes, has_area, box_faults = check_boxes(
        corners, np.tile(size, (len(nodes), 1)), clip, lambda k: _shown(corners[k]), inclusive=True
    )
    for k, node in enumerate(nodes):
        own_faults = [fault for fault in (class_faults.get(k), *_node_faults(node), box_faults.get(k)) if fault]
        faults += [f"object {k + 1}: {fault}" for fault in own_faults]
        wanted[k] &= not own_faults
    for fault in faults:
        report(str(_fault(path, fault)))
    sound = wanted & has_area
    difficult = np.array([_difficult(node) == "1" for node in nodes], dtype=bool)
    return Annotation(
        filename=_text(root, "filename") or f"{path.stem}.jpg",
        width=int(size[0]),
        height=int(size[1]),
        bboxes=bboxes[sound],
        labels=labels[sound],
        difficult=(difficult | (labels == OTHER_CLASS))[sound],
        without_area=int((wanted & ~has_area).sum()),
        others=tuple(name for name, label in zip(names, labels, strict=True) if label == OTHER_CLASS),
    )


def _parse(path: Path) -> ET.Element:
    try:
        return ET.fromstring(_without_preamble(path.read_bytes()))
    except OSError as error:
        raise _fault(path, f"cannot read the annotation ({error.strerror})") from error
    except (ET.ParseError, LookupError, ValueError) as error:  # the latter two: an encoding that does not exist
        raise _fault(path, f"malformed XML ({error})") from error


def _fault(path: Path, what: str) -> UsageError:
    return UsageError(f"{path}: {what}; fix the file or take the picture off its split")


def _without_preamble(data: bytes) -> bytes:
    """Without the byte-order mark and the blank lines that some writers leave before the XML declaration."""
    return data.lstrip().removeprefix(codecs.BOM_UTF8).lstrip()


def _layout_faults(root: ET.Element, nodes: Sequence[ET.Element]) -> list[str]:
    """Objects that would be overlooked, because they are not direct children or are spelt another way."""
    hidden = sum(_is_object(node) for node in root.iter()) - len(nodes)
    return [f"{hidden} <object> not directly in <annotation>; move them there"] if hidden else []


def _is_object(node: ET.Element) -> bool:
    return node.tag.rpartition("}")[2].lower() == "object"


def _node_faults(node: ET.Element) -> list[str]:
    """What is wrong with an <object> besides its class and its box."""
    once = {tag: len(node.findall(tag)) for tag in ("name", "difficult", "bndbox")}
    once |= {tag: len(node.findall(f"bndbox/{tag}")) for tag in _BOX_TAGS if once["bndbox"] == 1}
    faults = [f"{count} <{tag}>, an object has one" for tag, count in once.items() if count > 1]
    flag = _difficult(node)
    return faults if flag in ("0", "1") else [*faults, f"<difficult> is {flag!r}, not 0 or 1"]


def _difficult(node: ET.Element) -> str:
    return _text(node, "difficult") or "0"


def _shown(corners: np.ndarray) -> str:
    return "(" + ", ".join(f"{corner:g}" for corner in corners) + ")"


def _text(node: ET.Element, path: str) -> str:
    """Text of the child at `path` without surrounding white space; empty where there is none."""
    return (node.findtext(path) or "").strip()


def _number(node: ET.Element, path: str) -> float:
    """Number at `path`; NaN where there is none."""
    try:
        return float(_text(node, path))
    except ValueError:
        return math.nan
