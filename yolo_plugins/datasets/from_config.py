"""The data sets of a config, or of own pictures, for commands that look at files and train nothing."""

from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from yolo_plugins.config import load_config
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import DATASETS

from .detection_dataset import DetectionDataset
from .layouts import LOADERS, use_data


def find_datasets(
    name: str | None,
    options: Sequence[str] = (),
    data: str | Path | None = None,
    classes: Sequence[str] | None = None,
    loaders: Sequence[str] = (),
) -> list[DetectionDataset]:
    """The data sets that a command line names, of which no file has been read yet; each once.

    Args:
        name: Of the config, as for `load_config`; None where own pictures are all there is.
        options: Changes to it, as for `load_config`.
        data: Own pictures, as for `use_data`.
        classes: As for `use_data`.
        loaders: Those whose data sets are wanted, as "train_dataloader"; all that have a split by default.

    Raises:
        UsageError: Nothing is named, the config or the pictures cannot be used, or a data set is missing or not one of
            ours.
    """
    if name is None and data is None:
        raise UsageError("no pictures are named: give own ones by --data, or a config by --config")
    if name is None and options:
        raise UsageError("--cfg-options changes a config: give one by --config")
    empty: dict[str, dict] = {"model": {}, **{loader: {"dataset": {"splits": []}} for loader in LOADERS}}
    config = Config(empty) if name is None else load_config(name, options)
    use_data(config, data, classes, loaders)
    configs: list[dict] = []
    for loader in loaders or LOADERS:
        dataset = (config.get(loader) or {}).get("dataset") or {}
        if dataset.get("splits") == [] and not loaders:
            continue
        known = DATASETS.get(dataset.get("type", ""))
        if known is None or not issubclass(known, DetectionDataset):
            raise UsageError(
                f"config {name}: {loader}.dataset is {dataset.get('type', 'missing')}, which tells no annotations; "
                "give VOCDataset, COCODataset, YOLODataset or another DetectionDataset"
            )
        if dataset not in configs:  # those of validation and test are often the same
            configs.append(dataset)
    return [DATASETS.build({**dataset, "lazy_init": True}) for dataset in configs]
