"""Looks at every file of a VOCdevkit folder and lists every fault at once, before training meets them one by one."""

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from yolo_plugins.datasets.images import check_image
from yolo_plugins.datasets.voc import (
    VOC_CLASSES,
    annotation_path,
    image_path,
    inspect_annotation,
    read_split,
    split_path,
)
from yolo_plugins.errors import UsageError

# The study's splits: train on the first two, test on the third.
STUDY_SETS: tuple[str, ...] = ("VOC2007:train", "VOC2012:train", "VOC2007:test")


@dataclass(frozen=True)
class SplitCounts:
    """What one split holds.

    Attributes:
        listed: Pictures that the split lists.
        present: Those of them whose picture file and annotation file both exist.
        objects: Sound objects in the annotations, difficult ones included.
        non_difficult: The same without the difficult ones.
    """

    listed: int
    present: int
    objects: int
    non_difficult: int


# Database statistics of the VOC2007 and VOC2012 challenge pages; every listed picture is present.
OFFICIAL_COUNTS: dict[str, SplitCounts] = {
    "VOC2007:train": SplitCounts(2501, 2501, 7844, 6301),
    "VOC2012:train": SplitCounts(5717, 5717, 15774, 13609),
    "VOC2007:test": SplitCounts(4952, 4952, 14976, 12032),
}


@dataclass(frozen=True)
class VOCReport:
    """What `verify_voc` found.

    Attributes:
        counts: Counts of every set whose list could be read.
        faults: One line for every fault, with the file's path first, in the order of the sets and their lists.
    """

    counts: dict[str, SplitCounts]
    faults: tuple[str, ...]

    def table(self) -> str:
        """The counts as aligned text, one line for a set."""
        rows = [("set", "listed", "present", "objects", "non-difficult")]
        rows += [
            (name, f"{item.listed:,}", f"{item.present:,}", f"{item.objects:,}", f"{item.non_difficult:,}")
            for name, item in self.counts.items()
        ]
        return "\n".join(f"{row[0]:<16}" + "".join(f"{cell:>15}" for cell in row[1:]) for row in rows)


def verify_voc(
    data_root: str | Path,
    sets: Sequence[str] = STUDY_SETS,
    classes: Sequence[str] = VOC_CLASSES,
    official: bool = False,
) -> VOCReport:
    """Reads every list, annotation and picture of some sets; a progress bar shows on a terminal.

    Args:
        data_root: The VOCdevkit folder.
        sets: Sets as "sub-folder:split", e.g. "VOC2007:train".
        classes: Names which objects may have.
        official: Whether each set has to have the counts of the official release.

    Returns:
        Counts, and every fault: missing file, empty split, name listed twice, malformed annotation, unknown class,
        inverted or outside box, picture that cannot be decoded, picture whose size is not that of its annotation,
        and counts other than the official ones where those are asked for.

    Raises:
        UsageError: The folder does not exist, a set is not written "sub-folder:split", or `official` is asked for a
            set whose official counts are not known.
    """
    pairs = [_parse_set(text) for text in sets]
    unknown = [text for text in sets if official and text not in OFFICIAL_COUNTS]
    if unknown:
        raise UsageError(f"{unknown[0]}: its official counts are not known, only those of {', '.join(OFFICIAL_COUNTS)}")
    if not Path(data_root).is_dir():
        raise UsageError(f"{data_root}: no such folder; give a VOCdevkit folder or run tools/download_voc.py")
    counts: dict[str, SplitCounts] = {}
    faults: list[str] = []
    for text, (sub, split) in zip(sets, pairs, strict=True):
        try:
            names = read_split(data_root, sub, split)
        except UsageError as error:
            faults.append(str(error))
            continue
        path = split_path(data_root, sub, split)
        faults += [f"{path}: lists {name!r} {count} times" for name, count in Counter(names).items() if count > 1]
        results = _verify_pictures(Path(data_root), sub, names, classes, text)
        faults += [fault for result in results for fault in result.faults]
        counts[text] = SplitCounts(
            listed=len(names),
            present=sum(result.present for result in results),
            objects=sum(result.objects for result in results),
            non_difficult=sum(result.non_difficult for result in results),
        )
        if official and counts[text] != OFFICIAL_COUNTS[text]:
            faults.append(
                f"{path}: {_describe(counts[text])}; the official release has {_describe(OFFICIAL_COUNTS[text])}"
            )
    return VOCReport(counts, tuple(faults))


@dataclass(frozen=True)
class _PictureResult:
    present: bool
    objects: int
    non_difficult: int
    faults: tuple[str, ...]


def _parse_set(text: str) -> tuple[str, str]:
    sub, separator, split = text.partition(":")
    if not (sub and separator and split):
        raise UsageError(f"{text}: not a set; write sub-folder:split, e.g. VOC2007:train")
    return sub, split


def _describe(counts: SplitCounts) -> str:
    return (
        f"{counts.present} of {counts.listed} pictures, {counts.objects} objects, {counts.non_difficult} non-difficult"
    )


def _verify_pictures(
    data_root: Path, sub: str, names: Sequence[str], classes: Sequence[str], title: str
) -> list[_PictureResult]:
    """Results in the order of `names`. Threads suffice: decoding, which takes the time, holds no lock."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda name: _verify_picture(data_root, sub, name, classes), names)
        try:
            # disable=None: no bar where stderr is not a terminal
            return list(tqdm(results, desc=title, total=len(names), unit="picture", disable=None))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # Ctrl-C does not wait for what is queued
            raise


def _verify_picture(data_root: Path, sub: str, name: str, classes: Sequence[str]) -> _PictureResult:
    xml, jpg = annotation_path(data_root, sub, name), image_path(data_root, sub, name)
    annotation, xml_faults = inspect_annotation(xml, classes)
    faults = [f"{xml}: {fault}" for fault in xml_faults]
    try:
        width, height = check_image(jpg)
    except UsageError as error:
        faults.append(str(error))
    else:
        if annotation is not None and (width, height) != (annotation.width, annotation.height):
            faults.append(f"{jpg}: is {width}x{height}, its annotation says {annotation.width}x{annotation.height}")
    difficult = [] if annotation is None else annotation.difficult.tolist()
    return _PictureResult(
        present=xml.is_file() and jpg.is_file(),
        objects=len(difficult),
        non_difficult=difficult.count(False),
        faults=tuple(faults),
    )
