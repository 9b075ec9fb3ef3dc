"""COCO for training and evaluation."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from yolo_plugins.errors import UsageError
from yolo_plugins.registry import DATASETS

from .annotation import reporting
from .coco import COCO_CLASSES, instances_path, pictures_folder, read_instances
from .detection_dataset import DetectionDataset, Picture


@DATASETS.register_module()
class COCODataset(DetectionDataset):
    """Splits of a COCO folder, as "train2017"; everything else is said at `DetectionDataset`.

    A split is the file `annotations/instances_SPLIT.json`, or a JSON file that is named, and the pictures in the folder
    `SPLIT` or in another one near the file, see `pictures_folder`. Crowds are what VOC calls difficult objects: not
    trained on, ignored in scoring. Pictures without objects are kept.
    """

    METAINFO: ClassVar[dict] = {"classes": COCO_CLASSES}
    CLIP: ClassVar[bool] = True  # of train2017, some boxes reach over the border

    def read_pictures(self) -> Iterator[Picture]:
        """The pictures of all splits; `img_id` is the number in the file."""
        if not Path(self.data_root).is_dir():
            raise UsageError(
                f"{self.data_root}: no such COCO folder; "
                "put annotations/ and the folders of pictures there or pass --cfg-options data_root=DIR"
            )
        for split in self.splits:
            path = instances_path(self.data_root, split)
            with reporting(self.report):
                annotations = read_instances(path, self.metainfo["classes"], self.others, self.clip, self.report)
                folder = str(pictures_folder(path, [known.filename for known in annotations.values()]))
                for img_id, annotation in annotations.items():
                    yield Picture(img_id, os.path.join(folder, annotation.filename), str(path), annotation)
