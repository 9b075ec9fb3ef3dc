"""PASCAL VOC for training and evaluation."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from yolo_plugins.errors import UsageError
from yolo_plugins.registry import DATASETS

from .annotation import reporting
from .detection_dataset import DetectionDataset, Picture
from .voc import VOC_CLASSES, read_annotation, split_files


@DATASETS.register_module()
class VOCDataset(DetectionDataset):
    """Splits of a VOCdevkit folder, as "VOC2007/train"; everything else is said at `DetectionDataset`.

    A split without a slash is a folder of XML files beside their pictures.
    """

    METAINFO: ClassVar[dict] = {"classes": VOC_CLASSES}

    def read_pictures(self) -> Iterator[Picture]:
        """The pictures of all splits; `img_id` is as "VOC2007/000001"."""
        if not Path(self.data_root).is_dir():
            raise UsageError(
                f"{self.data_root}: no such VOCdevkit folder; "
                "run yolo-plugins download-voc or pass --cfg-options data_root=DIR"
            )
        rules = self.metainfo["classes"], self.others, self.clip, self.report
        for entry in self.splits:
            with reporting(self.report):
                pictures, annotations = split_files(self.data_root, entry)
                for name, xml_path in annotations:
                    annotation = img_path = None
                    with reporting(self.report):
                        annotation = read_annotation(xml_path, *rules)
                    with reporting(self.report):
                        img_path = str(pictures.path(name))
                    if annotation and img_path:
                        yield Picture(f"{entry.partition('/')[0]}/{name}", img_path, str(xml_path), annotation)
