"""Annotated pictures for training and evaluation, whatever the format: annotations in memory, pictures on demand.

A sample is a function of its key alone: every random draw comes from a generator seeded with (seed, epoch, index).
"""

import hashlib
import math
import os
import random
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import numpy as np
from mmengine.dataset import BaseDataset, Compose
from mmengine.logging import MMLogger

from yolo_plugins.config import size_hw
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import TRANSFORMS

from .annotation import OTHER_CLASS, Annotation, Report, check_classes, describe_left_out, refuse
from .image_cache import ImageCache
from .images import read_image, scale_to_fit, scaled_hw

# YOLOv5 v7.0's rectangular evaluation: sides are multiples of 32 with room for half a cell more.
_RECT_STRIDE = 32
_RECT_PAD = 0.5
_LOADING_STEPS = ("LoadImageFromFile", "LoadAnnotations")


class Picture(NamedTuple):
    """A picture of a data set, with the files that hold it and its annotation."""

    img_id: str | int
    img_path: str
    ann_path: str
    annotation: Annotation


class DetectionDataset(BaseDataset, ABC):
    """One or more splits of a folder of annotated pictures; a subclass reads them and states the classes.

    The pictures stand in the order of their names, whatever the layout of the files.

    `dataset[key]` takes an index, or a (seed, epoch, index) key as `SeededSampler` yields. The transforms get `rng`,
    `dataset` (this object), `index`, `img_size` (H, W), `img` (h, w, 3) uint8 BGR that just fits in it (read-only),
    `gt_bboxes` and `gt_bboxes_labels` (in pixels of `img`, without difficult objects), `img_id`, `img_path`,
    `ann_path`, `ori_shape` (h, w); `ori_bboxes`, `ori_labels`, `difficult` (all objects, original pixels); when testing
    also `batch_hw`. In training the global generators of `random` and `numpy` are seeded from the key too, for
    borrowed transforms that use them.

    Args:
        data_root: The folder.
        splits: Names of the splits, as the subclass says.
        img_size: Height and width of the network's input in pixels, or the side of a square: pictures are scaled to fit
            in it. None takes that of the pipeline's `Letterbox`. Without either, the pipeline does everything itself,
            reading included.
        pipeline: Transforms, built or as configs. `LoadImageFromFile` and `LoadAnnotations` may stand there for
            MMDetection's inference and tools; the data set loads by itself, from its cache.
        test_mode: Whether samples are for evaluation.
        metainfo: `dict(classes=...)` for classes other than the data set's own.
        others: What becomes of objects of classes that are not asked for: "background" leaves them out, "ignore" keeps
            them in evaluation as difficult objects of every class, so that a detection on one counts neither way (in
            training, where difficult objects are left out, both are the same); None refuses them. Pictures without any
            other object stay in, as background.
        clip: Whether a box may leave its picture and is clipped, or is refused where it does so by more than a pixel;
            None takes the layout's custom.
        cache_images: Whether pictures come from an `ImageCache`, built where it is missing; otherwise each is decoded
            and scaled whenever it is needed.
        cache_dir: Folder of the image cache, see `ImageCache`.
        share: Keep this share of the pictures, above 0 to 1: those first by a hash of their names, so that it is fair
            whatever the names say, and a smaller share is part of a larger one. None keeps all.
        indices: Keep only the first so many pictures by their names, or those at these places.
        rect_batch_size: Evaluate on rectangles: pictures sorted by aspect ratio, and one padded shape for each batch
            of that many (the data loader's batch size), in order; None means squares.
        lazy_init: Whether the files are read when `full_init` is called, and not now.

    Attributes:
        img_size: (H, W), or None.
        report: Is told the faults of lists and annotations. It raises; a check of the files puts another one there.

    Raises:
        UsageError: Two sizes are stated; there is no picture, or no object of the classes to train on; the folder, a
            split, an annotation or a picture is missing or faulty, or a picture's size is not the one in its
            annotation, or the pipeline drops a sample. Names the file. Without a cache a picture is looked into when it
            is first needed.
    """

    CLIP: ClassVar[bool] = False  # a layout's custom, where the config does not state `clip`

    def __init__(
        self,
        data_root: str,
        splits: Sequence[str],
        img_size: int | Sequence[int] | None = None,
        pipeline: Sequence[Any] = (),
        test_mode: bool = False,
        metainfo: Mapping | None = None,
        others: str | None = None,
        clip: bool | None = None,
        cache_images: bool = True,
        cache_dir: str | None = None,
        share: float | None = None,
        indices: int | Sequence[int] | None = None,
        rect_batch_size: int | None = None,
        lazy_init: bool = False,
    ) -> None:
        self._all_steps = pipeline
        steps = [TRANSFORMS.build(step) if isinstance(step, dict) else step for step in without_loading(pipeline)]
        self.splits = splits
        self.others = others
        self.clip = self.CLIP if clip is None else clip
        self.img_size = _only_size(type(self).__name__, img_size, steps)
        self.cache_images = cache_images
        self.cache_dir = cache_dir
        self.share = share
        self.rect_batch_size = rect_batch_size
        self.report: Report = refuse
        self._cache: ImageCache | None = None
        super().__init__(
            metainfo=metainfo,
            data_root=str(data_root),
            data_prefix={},
            indices=indices,
            serialize_data=False,  # the records are small arrays; unpickling four a mosaic would cost more
            pipeline=steps,
            test_mode=test_mode,
            lazy_init=lazy_init,
        )

    @property
    def _name(self) -> str:
        """What a message calls the data set."""
        return f"{type(self).__name__} {', '.join(map(str, self.splits)) or 'without splits'}"

    @abstractmethod
    def read_pictures(self) -> Iterable[Picture]:
        """The pictures of all splits; an object's label is the index into `metainfo["classes"]`."""

    def unused_files(self) -> list[str]:
        """Annotation files of no picture, for a check of the files; a layout that can have such files names them."""
        return []

    def sorted_pictures(self) -> list[Picture]:
        """The sound pictures in the order of their names; one that is listed twice is a fault.

        A sample depends on its index, so the order must not depend on the layout.
        """
        pictures = sorted(self.read_pictures(), key=lambda picture: os.path.split(picture.img_path)[::-1])
        for picture, following in pairwise(pictures):
            if picture.img_path == following.img_path:
                self.report(f"{picture.img_path}: the picture is listed twice in {self._name}; list it once")
        return pictures

    def full_init(self) -> None:
        """Reads the annotations, keeps those of `indices`, finds their pictures or opens (or builds) their cache."""
        if self._fully_initialized:
            return
        super().full_init()
        if not self.data_list:
            raise UsageError(
                f"{self._name}: no picture; give splits that list some, and indices that keep some of them"
            )
        if self.img_size is None:
            return
        if self.cache_images:
            self._open_cache()
        else:
            self._check_presence()
        for record in self.data_list:
            self._scale_boxes(record)
        if self.rect_batch_size is not None:
            self._sort_into_rectangles(self.rect_batch_size)

    def load_data_list(self) -> list[dict]:
        """One record per picture, in the order of their names."""
        classes = self.metainfo.get("classes")
        check_classes(classes, self.others)
        pictures = self.sorted_pictures()
        if self.share is not None:
            pictures = _share_of(pictures, self.share)
        annotations = [picture.annotation for picture in pictures]
        left_out = describe_left_out(annotations, self.others)
        if left_out:
            MMLogger.get_current_instance().info(f"{self._name}: {left_out}")
        if self.others and not self.test_mode and all((known.labels == OTHER_CLASS).all() for known in annotations):
            raise UsageError(
                f"{self._name}: no object of {', '.join(classes)} ({left_out or 'nor of others'}); "
                "correct metainfo.classes"
            )
        return [self._record(picture, len(classes)) for picture in pictures]

    def load(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A scaled picture and its objects for training; none of the three may be written to.

        Returns:
            (h, w, 3) uint8 BGR that just fits in `img_size`; (n, 4) float32 xyxy in its pixels; (n,) int64 labels.
        """
        record = self.data_list[index]
        return self._image(record), record["gt_bboxes"], record["gt_bboxes_labels"]

    def get_data_info(self, idx: int) -> dict:
        """What is known of a picture, with its objects as MMDetection's tools read them.

        Returns:
            The record, and `instances`: for each object `bbox` (xyxy in pixels of the original), `bbox_label` and
            `ignore_flag`, 1 for a difficult one; when training, difficult ones are left out.
        """
        record = super().get_data_info(idx)
        columns = [record[name].tolist() for name in ("ori_bboxes", "ori_labels", "difficult")]
        instances = [
            dict(bbox=bbox, bbox_label=label, ignore_flag=int(flag))
            for bbox, label, flag in zip(*columns, strict=True)
            if self.test_mode or not flag
        ]
        return {**record, "instances": instances}

    def prepare_data(self, idx: int) -> Any:
        """What the whole pipeline, its loading steps included, makes of a picture: what MMDetection's tools ask for."""
        return Compose(self._all_steps)(self.get_data_info(idx))

    def checksum(self) -> str:
        """Of the pictures' names and sizes and of all that is said of their objects; not of pixels and folders."""
        sha = hashlib.sha256()
        for record in self.data_list:
            sha.update(f"{os.path.basename(record['img_path'])} {record['ori_shape']}".encode())
            for column in ("ori_bboxes", "ori_labels", "difficult"):
                sha.update(np.ascontiguousarray(record[column]).data)
        return sha.hexdigest()

    def get_cat_ids(self, idx: int) -> list[int]:
        """Labels of the non-difficult objects of a picture."""
        return self.data_list[idx]["gt_bboxes_labels"].tolist()

    def __getitem__(self, key: int | tuple[int, int, int]) -> Any:
        """The sample of a key: an index, short for (0, 0, index), or (seed, epoch, index)."""
        seed, epoch, index = key if isinstance(key, tuple) else (0, 0, key)
        if self.img_size is None:
            return self.prepare_data(index)
        index = range(len(self.data_list))[index]  # negative ones from the end; IndexError beyond
        rng = np.random.default_rng((seed, epoch, index))
        if not self.test_mode:
            global_seed = int(rng.integers(2**32))
            random.seed(global_seed)
            np.random.seed(global_seed)
        sample = self.pipeline(self._results(index, rng))
        if sample is None:  # MMEngine's data set would quietly take another picture
            raise UsageError(
                f"{self.data_list[index]['img_path']}: the pipeline returned no sample; "
                "take the transform that drops samples off it"
            )
        return sample

    def _results(self, index: int, rng: np.random.Generator) -> dict:
        record = self.data_list[index]
        img = self._image(record)
        results = dict(record, rng=rng, dataset=self, index=index, img_size=self.img_size, img=img)
        results["img_shape"] = img.shape[:2]
        return results

    def _image(self, record: dict) -> np.ndarray:
        """(h, w, 3) uint8 BGR that just fits in `img_size`, read-only."""
        if self._cache is not None:
            return self._cache[record["slot"]]
        img = read_image(record["img_path"])
        check_size(record["img_path"], record["ann_path"], record["ori_shape"], img.shape[:2])
        img = scale_to_fit(img, self.img_size)
        img.flags.writeable = False
        return img

    def _record(self, picture: Picture, num_classes: int) -> dict:
        annotation = picture.annotation
        if self.test_mode:
            annotation = _ignored_by_every_class(annotation, num_classes)
        wanted = ~annotation.difficult
        record = {
            "img_id": picture.img_id,
            "img_path": picture.img_path,
            "ann_path": picture.ann_path,
            "ori_shape": (annotation.height, annotation.width),
            "gt_bboxes": annotation.bboxes[wanted],
            "gt_bboxes_labels": annotation.labels[wanted],
            "ori_bboxes": annotation.bboxes,
            "ori_labels": annotation.labels,
            "difficult": annotation.difficult,
        }
        return record | {"batch_hw": self.img_size} if self.test_mode else record

    def _open_cache(self) -> None:
        """Ties each record to its picture in the cache."""
        self._cache = ImageCache([record["img_path"] for record in self.data_list], self.img_size, self.cache_dir)
        for slot, record in enumerate(self.data_list):
            original_hw = self._cache.original_hw(slot)
            check_size(record["img_path"], record["ann_path"], record["ori_shape"], original_hw)
            record["slot"] = slot

    def _check_presence(self) -> None:
        """Refuses a missing picture now, not hours later; lists each folder once instead of asking for every file."""
        names: dict[str, set[str]] = {}
        for record in self.data_list:
            folder, name = os.path.split(record["img_path"])
            if folder not in names:
                names[folder] = set(os.listdir(folder)) if os.path.isdir(folder) else set()
            if name not in names[folder]:
                raise UsageError(f"{record['img_path']}: no such image; restore the file or take it off its split")

    def _scale_boxes(self, record: dict) -> None:
        """Brings the boxes for training to the scaled picture's pixels."""
        ori_height, ori_width = record["ori_shape"]
        height, width = scaled_hw(record["ori_shape"], self.img_size)
        factor = np.array([width / ori_width, height / ori_height] * 2)
        record["gt_bboxes"] = (record["gt_bboxes"] * factor).astype(np.float32)
        for name in ("gt_bboxes", "gt_bboxes_labels"):
            record[name].flags.writeable = False  # shared by every sample that shows the picture

    def _sort_into_rectangles(self, batch_size: int) -> None:
        """Sorts by aspect ratio, flat pictures first, and gives each batch the smallest shape that holds it."""
        self.data_list.sort(key=lambda record: record["ori_shape"][0] / record["ori_shape"][1])
        for start in range(0, len(self.data_list), batch_size):
            batch = self.data_list[start : start + batch_size]
            shape = _rectangle([record["ori_shape"] for record in batch], self.img_size)
            for record in batch:
                record["batch_hw"] = shape


def without_loading(pipeline: Sequence[Any]) -> list[Any]:
    """The steps of a pipeline, or their configs, that work on a picture which is there already."""
    return [
        step for step in pipeline if not isinstance(step, dict) or step["type"].rpartition(".")[2] not in _LOADING_STEPS
    ]


def _share_of(pictures: Sequence[Picture], share: float) -> list[Picture]:
    """A share of the pictures, at least one, in their order: those first by a hash of their names."""
    hashes = [hashlib.sha256(os.path.basename(picture.img_path).encode()).digest() for picture in pictures]
    first = sorted(range(len(pictures)), key=hashes.__getitem__)[: max(1, round(share * len(pictures)))]
    return [pictures[place] for place in sorted(first)]


def _ignored_by_every_class(annotation: Annotation, num_classes: int) -> Annotation:
    """The same with each object of another class as one of every class: detections are matched within a class."""
    other = annotation.labels == OTHER_CLASS
    times = np.where(other, num_classes, 1)
    labels = np.repeat(annotation.labels, times)
    labels[np.repeat(other, times)] = np.tile(np.arange(num_classes), other.sum())
    return replace(
        annotation,
        bboxes=np.repeat(annotation.bboxes, times, axis=0),
        labels=labels,
        difficult=np.repeat(annotation.difficult, times),
    )


def _only_size(name: str, img_size: int | Sequence[int] | None, steps: Sequence[Any]) -> Any:
    """The one (H, W) that the data set and the steps of its pipeline state; None where nobody states any."""
    stated = [img_size, *(getattr(step, "img_size", None) for step in steps)]
    sizes = sorted({size_hw(size) for size in stated if size is not None})
    if len(sizes) > 1:
        raise UsageError(f"{name} states several sizes, {sizes}: give img_size to the data set or to its Letterbox")
    return sizes[0] if sizes else None


def check_size(img_path: str, ann_path: str, said_hw: tuple[int, int], decoded_hw: tuple[int, int]) -> None:
    """Refuses a picture whose size is not the one in its annotation."""
    if decoded_hw == said_hw:
        return
    (height, width), (said_height, said_width) = decoded_hw, said_hw
    raise UsageError(
        f"{img_path}: the picture is {width}x{height} but {ann_path} says {said_width}x{said_height}; "
        "correct the annotation or restore the picture"
    )


def _rectangle(shapes_hw: Sequence[tuple[int, int]], bounds_hw: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the padded batch of pictures of these shapes, sorted by height / width, within bounds."""
    flattest, tallest = (height / width for height, width in (shapes_hw[0], shapes_hw[-1]))
    sides: tuple[float, float] = bounds_hw
    if tallest < bounds_hw[0] / bounds_hw[1]:  # all fill the width
        sides = tallest * bounds_hw[1], bounds_hw[1]
    elif flattest > bounds_hw[0] / bounds_hw[1]:
        sides = bounds_hw[0], 1.0 / flattest * bounds_hw[0]
    height, width = (math.ceil(side / _RECT_STRIDE + _RECT_PAD) * _RECT_STRIDE for side in sides)
    return height, width
