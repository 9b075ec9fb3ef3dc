"""PASCAL VOC for training and evaluation."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from yolo_plugins.errors import UsageError
from yolo_plugins.registry import DATASETS

from .detection_dataset import DetectionDataset, Picture
from .voc import VOC_CLASSES, annotation_path, image_path, read_annotation, read_split


@DATASETS.register_module()
class VOCDataset(DetectionDataset):
    """Splits of a VOCdevkit folder, as "VOC2007/train"; everything else is said at `DetectionDataset`."""

    METAINFO: ClassVar[dict] = {"classes": VOC_CLASSES}

    def read_pictures(self) -> Iterator[Picture]:
        """The pictures of all splits; `img_id` is as "VOC2007/000001"."""
        if not Path(self.data_root).is_dir():
            raise UsageError(
                f"{self.data_root}: no such VOCdevkit folder; "
                "run tools/download_voc.py or pass --cfg-options data_root=DIR"
            )
        for sub, image_id in self._image_ids():
            xml_path = annotation_path(self.data_root, sub, image_id)
            yield Picture(
                img_id=f"{sub}/{image_id}",
                img_path=str(image_path(self.data_root, sub, image_id)),
                ann_path=str(xml_path),
                annotation=read_annotation(xml_path, self.metainfo["classes"]),
            )

    def _image_ids(self) -> list[tuple[str, str]]:
        """(sub-folder, id) of every picture of the splits."""
        ids = []
        for entry in self.splits:
            sub, slash, split = entry.partition("/")
            if not slash:
                raise UsageError(f"splits: {entry!r} is not of the form 'VOC2007/train'; write FOLDER/SPLIT")
            ids += [(sub, image_id) for image_id in read_split(self.data_root, sub, split)]
        return ids
