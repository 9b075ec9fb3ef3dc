"""Networks without memory for their weights, to be counted."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

import torch

from yolo_plugins.costs.complexity import count_parts
from yolo_plugins.costs.traffic import count_traffic
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import MODELS

_Result = TypeVar("_Result")


def on_meta(work: Callable[[], _Result]) -> _Result:
    """What work returns that builds networks: on torch's meta device, or with memory where a constructor needs values.

    Args:
        work: Done twice where the meta device does not do.
    """
    try:
        with torch.device("meta"):
            return work()
    except (UsageError, NotImplementedError, RuntimeError) as error:
        if "meta" not in str(error):
            raise
        return work()


def count_config(model: Mapping[str, Any], input_hw: tuple[int, int]) -> tuple[dict[str, Any], Any]:
    """Counts a detector by its config.

    Args:
        model: Config of the detector.
        input_hw: Height and width of the input in pixels.

    Returns:
        What `count_parts` and `count_traffic` say; and what is known of the published weights that its backbone begins
        with, None without any.

    Raises:
        UsageError: It cannot be built, or refuses the size.
    """

    def count() -> tuple[dict[str, Any], Any]:
        built = MODELS.build(dict(model))
        counts = count_parts(built, input_hw) | asdict(count_traffic(built, input_hw))
        return counts, getattr(getattr(built, "backbone", None), "published", None)

    return on_meta(count)
