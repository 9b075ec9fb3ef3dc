"""Looks at every file of some data sets and lists every fault at once, before training meets them one by one."""

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from tqdm import tqdm

from yolo_plugins.datasets.annotation import OTHER_CLASS, Annotation, check_classes
from yolo_plugins.datasets.detection_dataset import DetectionDataset, Picture, check_size
from yolo_plugins.datasets.images import check_image
from yolo_plugins.datasets.threads import thread_pool
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import some


@dataclass(frozen=True)
class SplitCounts:
    """What one split holds.

    Attributes:
        pictures: Those whose annotation can be read.
        objects: Sound objects in the annotations, difficult ones included.
        non_difficult: The same without the difficult ones.
        without_area: Boxes without area, which are left out.
        others: Objects of other classes than those asked for.
    """

    pictures: int
    objects: int
    non_difficult: int
    without_area: int = 0
    others: int = 0


# Database statistics of the VOC2007 and VOC2012 challenge pages.
OFFICIAL_COUNTS: dict[str, SplitCounts] = {
    "VOC2007/train": SplitCounts(2501, 7844, 6301),
    "VOC2012/train": SplitCounts(5717, 15774, 13609),
    "VOC2007/test": SplitCounts(4952, 14976, 12032),
}


@dataclass(frozen=True)
class DataReport:
    """What `verify` found.

    Attributes:
        counts: Counts of every split.
        faults: One line for every fault, which a training would end with.
        warnings: One line for every oddity, which a training would take.
    """

    counts: dict[str, SplitCounts]
    faults: list[str]
    warnings: list[str]

    def table(self) -> str:
        """The counts as aligned text, one line for a split."""
        rows = [("split", *(field.name.replace("_", " ") for field in fields(SplitCounts)))]
        rows += [(name, *(f"{count:,}" for count in astuple(item))) for name, item in self.counts.items()]
        width = max(len(row[0]) for row in rows) + 2
        return "\n".join(f"{row[0]:<{width}}" + "".join(f"{cell:>15}" for cell in row[1:]) for row in rows)


def verify(datasets: Sequence[DetectionDataset], official: bool = False) -> DataReport:
    """Reads every list, annotation and picture of some data sets; a progress bar shows on a terminal.

    Args:
        datasets: Data sets of which no file has been read yet. A split that several of them read by the same rules is
            read once.
        official: Whether splits of VOC have to have the counts of the official release, where these are known.

    Returns:
        The counts. As faults: all that reading refuses, a picture that cannot be decoded or has another size than its
        annotation says, and counts other than the official ones where those are asked for. As warnings: a picture or
        an object that is there twice, a label file without a picture.
    """
    report = DataReport({}, [], [])
    place_of: dict[str, str] = {}  # by the content of the picture's file
    for title, dataset in _by_split(datasets).items():
        dataset.report = report.faults.append
        pictures = dataset.sorted_pictures()
        report.counts[title] = _count([picture.annotation for picture in pictures])
        for picture, (fault, content) in zip(pictures, _look(pictures, title), strict=True):
            report.faults.extend(fault)
            report.warnings.extend(_repeated_objects(picture))
            place = f"{picture.img_path} ({title})"
            if place_of.setdefault(content, place) != place:
                report.warnings.append(f"{place}: the same picture as {place_of[content]}; keep one of them")
    for path in dict.fromkeys(path for dataset in datasets for path in dataset.unused_files()):
        report.warnings.append(f"{path}: labels of no picture; restore the picture or remove the file")
    if official:
        report.faults.extend(_official_faults(report.counts))
    return report


def _by_split(datasets: Sequence[DetectionDataset]) -> dict[str, DetectionDataset]:
    """A copy of a data set for each split; the rules stand in the title where a split is read by several."""
    found: dict[str, DetectionDataset] = {}
    for dataset in datasets:
        check_classes(dataset.metainfo.get("classes"), dataset.others)
        for split in dataset.splits:
            own = copy.copy(dataset)
            own.splits = [split]
            titles = (split, f"{split} ({', '.join(map(str, _rules(own)))})")
            free = next((title for title in titles if title not in found or _rules(found[title]) == _rules(own)), None)
            found[free or f"{split} {len(found)}"] = own
    return found


def _rules(dataset: DetectionDataset) -> tuple:
    classes = some(dataset.metainfo["classes"])
    return dataset.data_root, classes, f"others={dataset.others}", f"clip={dataset.clip}"


def _count(annotations: Sequence[Annotation]) -> SplitCounts:
    return SplitCounts(
        pictures=len(annotations),
        objects=sum(int((known.labels != OTHER_CLASS).sum()) for known in annotations),
        non_difficult=sum(int((~known.difficult).sum()) for known in annotations),
        without_area=sum(known.without_area for known in annotations),
        others=sum(len(known.others) for known in annotations),
    )


def _look(pictures: Sequence[Picture], title: str) -> list[tuple[list[str], str]]:
    """Faults and content of each picture. Threads suffice: decoding, which takes the time, holds no lock."""
    results = thread_pool().map(_look_at, pictures)
    # disable=None: no bar where stderr is not a terminal
    return list(tqdm(results, desc=title, total=len(pictures), unit="picture", disable=None))


def _look_at(picture: Picture) -> tuple[list[str], str]:
    known = picture.annotation
    try:
        width, height = check_image(picture.img_path)
        check_size(picture.img_path, picture.ann_path, (known.height, known.width), (height, width))
        return [], hashlib.sha256(Path(picture.img_path).read_bytes()).hexdigest()
    except UsageError as error:
        return [str(error)], picture.img_path


def _repeated_objects(picture: Picture) -> list[str]:
    known = picture.annotation
    rows = np.column_stack([known.labels, known.bboxes])
    kinds, counts = np.unique(rows, axis=0, return_counts=True)
    return [
        f"{picture.ann_path}: the box ({', '.join(f'{side:g}' for side in kind[1:])}) of {picture.img_path} is there "
        f"{count} times for one class; keep one of them"
        for kind, count in zip(kinds[counts > 1], counts[counts > 1], strict=True)
    ]


def _official_faults(counts: Mapping[str, SplitCounts]) -> list[str]:
    found = {split: counts.get(split, SplitCounts(0, 0, 0)) for split in OFFICIAL_COUNTS}
    return [
        f"{split}: {_describe(count)}; the official release has {_describe(OFFICIAL_COUNTS[split])}"
        for split, count in found.items()
        if count != OFFICIAL_COUNTS[split]
    ]


def _describe(counts: SplitCounts) -> str:
    return f"{counts.pictures} pictures, {counts.objects} objects, {counts.non_difficult} non-difficult"
