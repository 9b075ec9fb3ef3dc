"""PASCAL VOC on disk: where its files lie, what a split lists, what an annotation says. Needs only numpy.

Layout and fields: VOC2012 development kit documentation, sections 2 and 11 (Everingham and Winn, 2012).
"""

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from yolo_plugins.datasets.annotation import Annotation
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

# Pixels by which a box may leave its image and still be read, clipped: 0-based writers start at 0 instead of 1.
_BORDER_TOLERANCE = 1.0
_BOX_TAGS = ("xmin", "ymin", "xmax", "ymax")


def annotation_path(data_root: str | Path, sub: str, image_id: str) -> Path:
    """Path of the XML of picture `image_id` in sub-folder `sub` ("VOC2007") of the VOCdevkit folder `data_root`."""
    return Path(data_root) / sub / "Annotations" / f"{image_id}.xml"


def image_path(data_root: str | Path, sub: str, image_id: str) -> Path:
    """Path of the JPEG of picture `image_id` in sub-folder `sub` ("VOC2007") of the VOCdevkit folder `data_root`."""
    return Path(data_root) / sub / "JPEGImages" / f"{image_id}.jpg"


def split_path(data_root: str | Path, sub: str, split: str) -> Path:
    """Path of the list of `split` ("train") in sub-folder `sub` ("VOC2007") of the VOCdevkit folder `data_root`."""
    return Path(data_root) / sub / "ImageSets" / "Main" / f"{split}.txt"


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
            f"{data_root}: no such data folder; set data_root to a VOCdevkit folder or run tools/download_voc.py"
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


def read_annotation(xml_path: str | Path, classes: Sequence[str] = VOC_CLASSES) -> Annotation:
    """Reads one VOC XML and refuses it when anything in it is wrong.

    Args:
        xml_path: The annotation file.
        classes: Names of the classes; a label is the index into them.

    Returns:
        The annotation. A box is the area which the 1-based inclusive box of the file covers, (xmin - 1, ymin - 1,
        xmax, ymax); `filename` is the XML's own stem with `.jpg` where it gives none.

    Raises:
        UsageError: The file is missing or malformed, an object has an unknown class, no box, or a box that is inverted
            or leaves the picture by more than a pixel. Names the file and every fault.
    """
    annotation, faults = inspect_annotation(xml_path, classes)
    if annotation is None or faults:
        raise UsageError(f"{xml_path}: {'; '.join(faults)}; fix the file or take the picture off its split")
    return annotation


def inspect_annotation(
    xml_path: str | Path, classes: Sequence[str] = VOC_CLASSES
) -> tuple[Annotation | None, list[str]]:
    """Reads one VOC XML as far as it goes.

    Returns:
        The annotation with the sound objects only (None when the file as a whole is unusable), and one sentence for
        each fault.
    """
    path = Path(xml_path)
    try:
        # Some writers leave blank lines before the XML declaration, which the standard forbids.
        root = ET.fromstring(path.read_bytes().lstrip())
    except OSError as error:
        return None, [f"cannot read the annotation ({error.strerror})"]
    except (ET.ParseError, LookupError, ValueError) as error:  # the latter two: an encoding that does not exist
        return None, [f"malformed XML ({error})"]
    size = [_number(root, f"size/{tag}") for tag in ("width", "height")]
    if not all(1 <= side < math.inf for side in size):
        return None, ["no <size> with a positive <width> and <height>"]
    width, height = (int(side) for side in size)
    index = {name: label for label, name in enumerate(classes)}
    bboxes, labels, difficult, faults = [], [], [], []
    # Only direct children: the <part> of a person holds a <bndbox> of its own.
    for number, node in enumerate(root.findall("object"), start=1):
        label, bbox, is_difficult, object_faults = _read_object(node, index, width, height)
        if object_faults:
            faults += [f"object {number}: {fault}" for fault in object_faults]
        else:
            bboxes.append(bbox)
            labels.append(label)
            difficult.append(is_difficult)
    annotation = Annotation(
        filename=_text(root, "filename") or f"{path.stem}.jpg",
        width=width,
        height=height,
        bboxes=np.asarray(bboxes, dtype=np.float32).reshape(-1, 4),
        labels=np.asarray(labels, dtype=np.int64),
        difficult=np.asarray(difficult, dtype=bool),
    )
    return annotation, faults


def _read_object(
    node: ET.Element, index: dict[str, int], width: int, height: int
) -> tuple[int, list[float], bool, list[str]]:
    """Label, xyxy box clipped to the picture, difficult, and the faults of one <object>."""
    faults = []
    name = _text(node, "name")
    if name not in index:
        faults.append(f"unknown class {name!r}")
    flag = _text(node, "difficult") or "0"
    if flag not in ("0", "1"):
        faults.append(f"<difficult> is {flag!r}, not 0 or 1")
    corners = [_number(node, f"bndbox/{tag}") for tag in _BOX_TAGS]
    fault = _box_fault(corners, width, height)
    if fault:
        faults.append(fault)
    xmin, ymin, xmax, ymax = corners
    bbox = [max(xmin - 1, 0.0), max(ymin - 1, 0.0), min(xmax, float(width)), min(ymax, float(height))]
    return index.get(name, -1), bbox, flag == "1", faults


def _box_fault(corners: list[float], width: int, height: int) -> str:
    """What is wrong with a 1-based inclusive box in a picture of that size in pixels; empty when nothing is."""
    xmin, ymin, xmax, ymax = corners
    shown = "(" + ", ".join(f"{corner:g}" for corner in corners) + ")"
    if not all(math.isfinite(corner) for corner in corners):
        return f"box {shown} is not four numbers"
    if xmax < xmin or ymax < ymin:
        return f"inverted box {shown}"
    low, high = 1 - _BORDER_TOLERANCE, _BORDER_TOLERANCE
    if xmin < low or ymin < low or xmax > width + high or ymax > height + high or xmin > width or ymin > height:
        return f"box {shown} is outside the {width}x{height} picture"
    return ""


def _text(node: ET.Element, path: str) -> str:
    """Text of the child at `path` without surrounding white space; empty where there is none."""
    return (node.findtext(path) or "").strip()


def _number(node: ET.Element, path: str) -> float:
    """Number at `path`; NaN where there is none."""
    try:
        return float(_text(node, path))
    except ValueError:
        return math.nan
