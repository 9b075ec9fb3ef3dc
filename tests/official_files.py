"""Files of weights: official ones with those of a state dict, as the releases pickle them, and one of ours."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from yolo_plugins.config import load_config
from yolo_plugins.datasets.coco import COCO_CLASSES
from yolo_plugins.registry import MODELS


def nested_module(state_dict: dict[str, Tensor]) -> nn.Module:
    """A module tree with the given parameters and buffers, whatever their names."""
    root = nn.Module()
    for key, value in state_dict.items():
        *parents, name = key.split(".")
        module = root
        for parent in parents:
            if parent not in module._modules:
                module.add_module(parent, nn.Module())
            module = module._modules[parent]
        module.register_buffer(name, value)
    return root


def write_official(
    path: Path, state_dict: dict[str, Tensor], names: Any = None, eps: float = 1e-3, **more: Any
) -> Path:
    """Writes a pickled network with half precision, the epsilon of its norms and, where given, the names of classes."""
    model = nested_module(state_dict).half()
    for module in model.modules():
        if hasattr(module, "running_var"):
            module.eps = eps
    if names is not None:
        model.names = names
    torch.save({"epoch": -1, "model": model, "ema": None, **more}, path)
    return path


def coco_weights(path: Path, name: str = "yolov5_n_coco") -> Path:
    """Writes random weights of a config with COCO's classes, as a checkpoint of ours."""
    config = load_config(name)
    meta = {"dataset_meta": {"classes": COCO_CLASSES}, "cfg": config.pretty_text}
    torch.save({"state_dict": MODELS.build(config.model).state_dict(), "meta": meta}, path)
    return path


def golden_state(golden_dir: Path, name: str) -> dict[str, Tensor]:
    """The official state dict of a golden file; skips where it is not there."""
    path = golden_dir / name
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    with np.load(path) as arrays:
        return {key[3:]: torch.tensor(arrays[key]) for key in arrays.files if key.startswith("sd/")}
