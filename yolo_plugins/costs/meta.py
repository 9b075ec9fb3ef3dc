"""Networks without memory for their weights, to be counted."""

from collections.abc import Callable
from typing import TypeVar

import torch

from yolo_plugins.errors import UsageError

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
