"""The model itself, of a runner that may have wrapped it for several processes."""

from typing import Any

from mmengine.model import is_model_wrapper
from torch import nn


def unwrapped(model: Any) -> nn.Module:
    """The model within MMEngine's wrapper, or the model where there is none."""
    return model.module if is_model_wrapper(model) else model
