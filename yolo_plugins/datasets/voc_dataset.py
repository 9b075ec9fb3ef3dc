"""PASCAL VOC for training and evaluation."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from yolo_plugins.errors import UsageError
from yolo_plugins.registry import DATASETS

from .detection_dataset import DetectionDataset, Picture
from .voc import VOC_CLASSES, PictureFolder, annotation_path, parse_split, read_annotation, read_split


@DATASETS.register_module()
class VOCDataset(DetectionDataset):
    """Splits of a VOCdevkit folder, as "VOC2007/train"; everything else is said at `DetectionDataset`."""

    METAINFO: ClassVar[dict] = {"classes": VOC_CLASSES}

    def read_pictures(self) -> Iterator[Picture]:
        """The pictures of all splits; `img_id` is as "VOC2007/000001"."""
        if not Path(self.data_root).is_dir():
            raise UsageError(
                f"{self.data_root}: no such VOCdevkit folder; "
                "run yolo-plugins download-voc or pass --cfg-options data_root=DIR"
            )
        rules = self.metainfo["classes"], self.others, self.clip
        for sub, split in map(parse_split, self.splits):
            pictures = PictureFolder(self.data_root, sub)
            for image_id in read_split(self.data_root, sub, split):
                xml_path = annotation_path(self.data_root, sub, image_id)
                yield Picture(
                    img_id=f"{sub}/{image_id}",
                    img_path=str(pictures.path(image_id)),
                    ann_path=str(xml_path),
                    annotation=read_annotation(xml_path, *rules),
                )
