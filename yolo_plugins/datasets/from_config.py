"""The data sets of a config, for commands that look at files and train nothing."""

from collections.abc import Sequence

from yolo_plugins.config import load_config
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import DATASETS

from .detection_dataset import DetectionDataset


def datasets_of_config(name: str, options: Sequence[str], loaders: Sequence[str]) -> list[DetectionDataset]:
    """The data sets of some data loaders, of which no file has been read yet; each once.

    Args:
        name: Of the config, as for `load_config`.
        options: Changes to it, as for `load_config`.
        loaders: As "train_dataloader".

    Raises:
        UsageError: The config cannot be used, or a data set is missing or not one of ours.
    """
    config = load_config(name, options)
    configs: list[dict] = []
    for loader in loaders:
        dataset = (config.get(loader) or {}).get("dataset") or {}
        known = DATASETS.get(dataset.get("type", ""))
        if known is None or not issubclass(known, DetectionDataset):
            raise UsageError(
                f"config {name}: {loader}.dataset is {dataset.get('type', 'missing')}, which tells no annotations; "
                "give VOCDataset, COCODataset or another DetectionDataset"
            )
        if dataset not in configs:  # those of validation and test are often the same
            configs.append(dataset)
    return [DATASETS.build({**dataset, "lazy_init": True}) for dataset in configs]
