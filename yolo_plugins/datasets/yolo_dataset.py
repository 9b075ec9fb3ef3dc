"""YOLO's layout for training and evaluation."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from yolo_plugins.errors import UsageError
from yolo_plugins.registry import DATASETS

from .annotation import reporting
from .detection_dataset import DetectionDataset, Picture
from .images import image_size
from .threads import thread_pool
from .yolo import LabelFiles, list_pictures, read_data_yaml, read_labels


@DATASETS.register_module()
class YOLODataset(DetectionDataset):
    """Splits of a `data.yaml`, as "train"; everything else is said at `DetectionDataset`.

    `data_root` is the file. Pictures without a label file, or with an empty one, have no objects.
    """

    def read_pictures(self) -> Iterator[Picture]:
        """The pictures of all splits; `img_id` is the path of the picture."""
        data = read_data_yaml(self.data_root)
        rules = self.metainfo["classes"], self.others, self.clip, self.report
        label_files = LabelFiles()
        pictures: list[Path] = []
        for split in self.splits:
            with reporting(self.report):
                pictures += list_pictures(data, split)
        sizes = thread_pool().map(_size_or_fault, pictures)  # a label is of no use without the size of its picture
        for picture, size in zip(pictures, sizes, strict=True):
            with reporting(self.report):
                path = label_files.path(picture)
                if isinstance(size, UsageError):
                    raise size
                annotation = read_labels(path, picture, size, data.names, *rules)
                yield Picture(str(picture), str(picture), str(path), annotation)

    def unused_files(self) -> list[str]:
        """Label files beside those of the pictures of all splits."""
        label_files = LabelFiles()
        data = read_data_yaml(self.data_root)
        for split in data.splits:
            with suppress(UsageError):
                for picture in list_pictures(data, split):
                    with suppress(UsageError):
                        label_files.path(picture)
        return [str(path) for path in label_files.strangers()]


def _size_or_fault(picture: Path) -> tuple[int, int] | UsageError:
    try:
        return image_size(picture)
    except UsageError as error:
        return error
