"""PASCAL VOC for training and evaluation: annotations in memory, pictures from the shared cache.

A sample is a function of its key alone: every random draw comes from a generator seeded with (seed, epoch, index).
"""

import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from mmengine.dataset import BaseDataset

from yolo_plugins.errors import UsageError
from yolo_plugins.registry import DATASETS, TRANSFORMS

from .image_cache import ImageCache
from .voc import VOC_CLASSES, annotation_path, image_path, read_annotation, read_split

# YOLOv5 v7.0's rectangular evaluation: sides are multiples of 32 with room for half a cell more.
_RECT_STRIDE = 32
_RECT_PAD = 0.5


@DATASETS.register_module()
class VOCDataset(BaseDataset):
    """One or more splits of a VOCdevkit folder.

    `dataset[key]` takes an index, or a (seed, epoch, index) key as `SeededSampler` yields. The transforms get `rng`,
    `dataset` (this object), `index`, `img_size`, `img` (h, w, 3) uint8 BGR with long side `img_size` (a read-only
    view), `gt_bboxes` and `gt_bboxes_labels` (in pixels of `img`, without difficult objects), `img_id`, `img_path`,
    `ori_shape` (h, w); when testing also `ori_bboxes`, `ori_labels`, `difficult` (all objects, original pixels) and
    `batch_hw`. In training the global generators of `random` and `numpy` are seeded from the key too, for borrowed
    transforms that use them.

    Args:
        data_root: The VOCdevkit folder.
        splits: As "VOC2007/train".
        img_size: Long side of the pictures, and side of the network's square input, in pixels.
        pipeline: Transforms, built or as configs.
        test_mode: Whether samples are for evaluation.
        metainfo: `dict(classes=...)` for classes other than VOC's.
        cache_dir: Folder of the image cache, see `ImageCache`.
        indices: Keep only the first so many pictures, or those at these places.
        rect_batch_size: Evaluate on rectangles: pictures sorted by aspect ratio, and one padded shape for each batch
            of that many (the data loader's batch size), in order; None means squares.

    Raises:
        UsageError: The folder, a split, an annotation or a picture is missing or faulty, or a picture's size is not
            the one in its annotation, or the pipeline drops a sample. Names the file.
    """

    METAINFO: ClassVar[dict] = {"classes": VOC_CLASSES}

    def __init__(
        self,
        data_root: str,
        splits: Sequence[str],
        img_size: int,
        pipeline: Sequence[Any] = (),
        test_mode: bool = False,
        metainfo: Mapping | None = None,
        cache_dir: str | None = None,
        indices: int | Sequence[int] | None = None,
        rect_batch_size: int | None = None,
    ) -> None:
        self.splits = splits
        self.img_size = img_size
        self.cache_dir = cache_dir
        self.rect_batch_size = rect_batch_size
        super().__init__(
            metainfo=metainfo,
            data_root=str(data_root),
            data_prefix={},
            indices=indices,
            serialize_data=False,  # the records are small arrays; unpickling four a mosaic would cost more
            pipeline=[TRANSFORMS.build(step) if isinstance(step, dict) else step for step in pipeline],
            test_mode=test_mode,
        )

    def full_init(self) -> None:
        """Reads the annotations, keeps those of `indices`, opens (or builds) their image cache."""
        if self._fully_initialized:
            return
        super().full_init()
        self._cache = ImageCache([record["img_path"] for record in self.data_list], self.img_size, self.cache_dir)
        for slot, record in enumerate(self.data_list):
            self._add_picture(record, slot)
        if self.rect_batch_size is not None:
            self._sort_into_rectangles(self.rect_batch_size)

    def load_data_list(self) -> list[dict]:
        """One record per picture, in the order of the splits."""
        if not Path(self.data_root).is_dir():
            raise UsageError(
                f"{self.data_root}: no such VOCdevkit folder; "
                "run tools/download_voc.py or pass --cfg-options data_root=DIR"
            )
        return [self._read_record(sub, image_id) for sub, image_id in self._image_ids()]

    def load(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A scaled picture and its objects for training, from memory; none of the three may be written to.

        Returns:
            (h, w, 3) uint8 BGR with long side `img_size`; (n, 4) float32 xyxy in its pixels; (n,) int64 labels.
        """
        record = self.data_list[index]
        return self._cache[record["slot"]], record["gt_bboxes"], record["gt_bboxes_labels"]

    def get_cat_ids(self, idx: int) -> list[int]:
        """Labels of the non-difficult objects of a picture."""
        return self.data_list[idx]["gt_bboxes_labels"].tolist()

    def __getitem__(self, key: int | tuple[int, int, int]) -> Any:
        """The sample of a key: an index, short for (0, 0, index), or (seed, epoch, index)."""
        seed, epoch, index = key if isinstance(key, tuple) else (0, 0, key)
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
        img = self._cache[record["slot"]]
        results = dict(record, rng=rng, dataset=self, index=index, img_size=self.img_size, img=img)
        results["img_shape"] = img.shape[:2]
        return results

    def _image_ids(self) -> list[tuple[str, str]]:
        """(sub-folder, id) of every picture of the splits."""
        ids = []
        for entry in self.splits:
            sub, slash, split = entry.partition("/")
            if not slash:
                raise UsageError(f"splits: {entry!r} is not of the form 'VOC2007/train'; write FOLDER/SPLIT")
            ids += [(sub, image_id) for image_id in read_split(self.data_root, sub, split)]
        return ids

    def _read_record(self, sub: str, image_id: str) -> dict:
        annotation = read_annotation(annotation_path(self.data_root, sub, image_id), self._metainfo["classes"])
        record = {
            "img_id": f"{sub}/{image_id}",
            "img_path": str(image_path(self.data_root, sub, image_id)),
            "ori_shape": (annotation.height, annotation.width),
            "gt_bboxes": annotation.bboxes[~annotation.difficult],
            "gt_bboxes_labels": annotation.labels[~annotation.difficult],
        }
        if self.test_mode:
            record.update(
                ori_bboxes=annotation.bboxes,
                ori_labels=annotation.labels,
                difficult=annotation.difficult,
                batch_hw=(self.img_size, self.img_size),
            )
        return record

    def _add_picture(self, record: dict, slot: int) -> None:
        """Ties a record to its picture in the cache and brings its boxes to the picture's scale."""
        ori_height, ori_width = record["ori_shape"]
        decoded_height, decoded_width = self._cache.original_hw(slot)
        if (decoded_height, decoded_width) != (ori_height, ori_width):
            sub, _, image_id = record["img_id"].partition("/")
            raise UsageError(
                f"{record['img_path']}: the picture is {decoded_width}x{decoded_height} but "
                f"{annotation_path(self.data_root, sub, image_id)} says {ori_width}x{ori_height}; "
                "correct the annotation or restore the picture"
            )
        height, width = self._cache[slot].shape[:2]
        factor = np.array([width / ori_width, height / ori_height] * 2)
        record["slot"] = slot
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


def _rectangle(shapes_hw: Sequence[tuple[int, int]], img_size: int) -> tuple[int, int]:
    """Height and width of the padded batch of pictures of these shapes, sorted by height / width."""
    flattest, tallest = (height / width for height, width in (shapes_hw[0], shapes_hw[-1]))
    sides = (tallest, 1.0) if tallest < 1 else (1.0, 1.0 / flattest) if flattest > 1 else (1.0, 1.0)
    height, width = (math.ceil(side * img_size / _RECT_STRIDE + _RECT_PAD) * _RECT_STRIDE for side in sides)
    return height, width
