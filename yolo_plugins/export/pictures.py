"""Letterboxed pictures of a config's data sets, as an exported network takes them."""

from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope

from yolo_plugins.registry import DATASETS


def letterboxed(config: Config, loader: str, count: int) -> np.ndarray:
    """(n, 3, H, W) uint8 BGR: pictures that lie evenly in a data set, through the pipeline of the test.

    Args:
        config: Of the model.
        loader: `test_dataloader`, or another one whose data set is taken.
        count: How many; fewer where the data set has fewer.

    Raises:
        UsageError: The data set is not there.
    """
    init_default_scope(config.get("default_scope", "yolo_plugins"))
    test: Any = config.test_dataloader.dataset
    as_test = {"pipeline": test.pipeline, "test_mode": True}
    if "img_size" in test:
        as_test["img_size"] = test.img_size
    dataset = DATASETS.build({**config[loader].dataset, **as_test})
    places = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int)
    return np.stack([dataset[int(place)]["inputs"].numpy() for place in places])
