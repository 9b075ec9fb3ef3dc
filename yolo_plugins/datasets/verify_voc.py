"""Looks at every file of a VOCdevkit folder and lists every fault at once, before training meets them one by one."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields
from functools import partial
from pathlib import Path

from tqdm import tqdm

from yolo_plugins.datasets.annotation import OTHER_CLASS, check_classes
from yolo_plugins.datasets.images import check_image
from yolo_plugins.datasets.voc import (
    VOC_CLASSES,
    PictureFolder,
    annotation_path,
    inspect_annotation,
    parse_split,
    read_split,
    split_path,
)
from yolo_plugins.errors import UsageError

# The study's splits: train on the first two, test on the third.
STUDY_SETS: tuple[str, ...] = ("VOC2007/train", "VOC2012/train", "VOC2007/test")


@dataclass(frozen=True)
class SplitCounts:
    """What one split holds.

    Attributes:
        listed: Pictures that the split lists.
        present: Those of them whose picture file and annotation file both exist.
        objects: Sound objects in the annotations, difficult ones included.
        non_difficult: The same without the difficult ones.
        without_area: Boxes without area, which are left out.
        others: Objects of other classes than those asked for.
    """

    listed: int
    present: int
    objects: int
    non_difficult: int
    without_area: int = 0
    others: int = 0


# Database statistics of the VOC2007 and VOC2012 challenge pages; every listed picture is present.
OFFICIAL_COUNTS: dict[str, SplitCounts] = {
    "VOC2007/train": SplitCounts(2501, 2501, 7844, 6301),
    "VOC2012/train": SplitCounts(5717, 5717, 15774, 13609),
    "VOC2007/test": SplitCounts(4952, 4952, 14976, 12032),
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
        rows = [("set", *(field.name.replace("_", " ") for field in fields(SplitCounts)))]
        rows += [(name, *(f"{count:,}" for count in astuple(item))) for name, item in self.counts.items()]
        return "\n".join(f"{row[0]:<16}" + "".join(f"{cell:>15}" for cell in row[1:]) for row in rows)


def verify_voc(
    data_root: str | Path,
    sets: Sequence[str] = STUDY_SETS,
    classes: Sequence[str] = VOC_CLASSES,
    official: bool = False,
    others: str | None = None,
    clip: bool = False,
) -> VOCReport:
    """Reads every list, annotation and picture of some sets; a progress bar shows on a terminal.

    Args:
        data_root: The VOCdevkit folder.
        sets: Sets as "VOC2007/train".
        classes: Names which objects may have.
        official: Whether each set has to have the counts of the official release.
        others: What becomes of objects of other classes, see `label_classes`.
        clip: Whether boxes may leave their picture, see `check_boxes`.

    Returns:
        Counts, and every fault: missing file, two pictures of one stem, empty split, name listed twice, malformed
        annotation, unknown class, inverted or outside box, picture that cannot be decoded, picture whose size is not
        that of its annotation, and counts other than the official ones where those are asked for.

    Raises:
        UsageError: The folder does not exist, a set is not written "VOC2007/train", `classes` is no list of names, or
            `official` is asked for a set whose official counts are not known.
    """
    pairs = [parse_split(text) for text in sets]
    check_classes(classes, others)
    unknown = [text for text in sets if official and text not in OFFICIAL_COUNTS]
    if unknown:
        raise UsageError(f"{unknown[0]}: its official counts are not known, only those of {', '.join(OFFICIAL_COUNTS)}")
    if not Path(data_root).is_dir():
        raise UsageError(f"{data_root}: no such folder; give a VOCdevkit folder or run yolo-plugins download-voc")
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
        verify = partial(_verify_picture, PictureFolder(data_root, sub), Path(data_root), sub, (classes, others, clip))
        results = _verify_pictures(verify, names, text)
        faults += [fault for _, picture_faults in results for fault in picture_faults]
        counts[text] = SplitCounts(*map(sum, zip(*(astuple(picture) for picture, _ in results), strict=True)))
        if official and counts[text] != OFFICIAL_COUNTS[text]:
            faults.append(
                f"{path}: {_describe(counts[text])}; the official release has {_describe(OFFICIAL_COUNTS[text])}"
            )
    return VOCReport(counts, tuple(faults))


def verify_config(name: str, options: Sequence[str] = (), official: bool = False) -> list[VOCReport]:
    """Verifies the data of a config: those of training, validation and test, each folder and rule once.

    Args:
        name: Of the config, as for `load_config`.
        options: Changes to it, as for `load_config`.
        official: As for `verify_voc`.

    Raises:
        UsageError: As `verify_voc`; the config cannot be used, or a data set of it is no VOCdevkit folder.
    """
    from yolo_plugins.datasets.from_config import datasets_of_config
    from yolo_plugins.datasets.voc_dataset import VOCDataset

    sets: dict[tuple, dict[str, None]] = {}  # by folder and rules, in their order
    for dataset in datasets_of_config(name, options, ["train_dataloader", "val_dataloader", "test_dataloader"]):
        if not isinstance(dataset, VOCDataset):
            raise UsageError(
                f"config {name}: its {type(dataset).__name__} is no VOCdevkit folder; give one with VOCDataset"
            )
        where = dataset.data_root, tuple(dataset.metainfo["classes"]), dataset.others, dataset.clip
        sets.setdefault(where, {}).update(dict.fromkeys(dataset.splits))
    return [
        verify_voc(data_root, list(splits), classes, official, others, clip)
        for (data_root, classes, others, clip), splits in sets.items()
    ]


def _describe(counts: SplitCounts) -> str:
    return (
        f"{counts.present} of {counts.listed} pictures, {counts.objects} objects, {counts.non_difficult} non-difficult"
    )


def _verify_pictures(
    verify: Callable[[str], tuple[SplitCounts, list[str]]], names: Sequence[str], title: str
) -> list[tuple[SplitCounts, list[str]]]:
    """Results in the order of `names`. Threads suffice: decoding, which takes the time, holds no lock."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(verify, names)
        try:
            # disable=None: no bar where stderr is not a terminal
            return list(tqdm(results, desc=title, total=len(names), unit="picture", disable=None))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # Ctrl-C does not wait for what is queued
            raise


def _verify_picture(
    pictures: PictureFolder, data_root: Path, sub: str, rules: tuple[Sequence[str], str | None, bool], name: str
) -> tuple[SplitCounts, list[str]]:
    """Counts of one picture, and its faults."""
    xml = annotation_path(data_root, sub, name)
    annotation, xml_faults = inspect_annotation(xml, *rules)
    faults = [f"{xml}: {fault}" for fault in xml_faults]
    present = False
    try:
        path = pictures.path(name)
        present = xml.is_file()
        width, height = check_image(path)
    except UsageError as error:
        faults.append(str(error))
    else:
        if annotation is not None and (width, height) != (annotation.width, annotation.height):
            faults.append(f"{path}: is {width}x{height}, its annotation says {annotation.width}x{annotation.height}")
    if annotation is None:
        return SplitCounts(1, present, 0, 0), faults
    own = annotation.labels != OTHER_CLASS
    non_difficult = int((~annotation.difficult).sum())
    return SplitCounts(
        1, present, int(own.sum()), non_difficult, annotation.without_area, len(annotation.others)
    ), faults
