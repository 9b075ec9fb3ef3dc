"""Registries of this package: children of MMEngine's root registries, scope `yolo_plugins`.

The comment above each registry is the contract that a registrant signs. Types borrowed from another package carry its
scope in configs (`mmdet.ResNet`). When a name is first looked up, MMEngine imports `yolo_plugins.checkpoints`, whose
loaders replace its own, the modules that register our own, and `yolo_plugins.plugins`, which lets those of third
parties register theirs. From here on `torch.load` runs nothing from a file in this process, whoever calls it.
"""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from mmengine import registry as root
from mmengine.registry import Registry

from yolo_plugins.versions import switch_off_multimodal, warn_of_conflicts

warn_of_conflicts()
switch_off_multimodal()

# torch's own switch, which no argument overrides; both of them together are an error.
os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)
os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"

_SCOPE = "yolo_plugins"
REGISTRIES: dict[Registry, list[str]] = {}  # each of those below -> the modules of ours that register in it


def _child(parent: Registry, *locations: str) -> Registry:
    own = [f"{_SCOPE}.{path}" for path in locations]
    build = partial(_build_in_own_scope, parent.build_func)
    modules = [f"{_SCOPE}.checkpoints", *own, f"{_SCOPE}.plugins"]
    child = Registry(parent.name, build, parent=parent, scope=_SCOPE, locations=modules)
    REGISTRIES[child] = own
    return child


def _build_in_own_scope(build: Callable[..., Any], cfg: Any, *args: Any, **kwargs: Any) -> Any:
    """Builds a type of another package (`mmdet.FPN`) in that package's scope, where its inner types are known."""
    kind = cfg.get("type") if isinstance(cfg, dict) else None
    scope, dot, _ = kind.partition(".") if isinstance(kind, str) else ("", "", "")
    if dot and "_scope_" not in cfg:
        cfg = dict(cfg, _scope_=scope)
    return build(cfg, *args, **kwargs)


def extends(kind: type, name: str) -> bool:
    """Whether a class is, or extends, that of this full name, whose package need not have been imported."""
    return any(f"{base.__module__}.{base.__qualname__}" == name for base in kind.__mro__)


# Backbones state `out_channels` and `out_strides` (fine to coarse), take (N, 3, H, W), return one map a level.
# Necks take `in_channels` and state `out_channels`; heads take `in_channels` and `strides`. Losses take a `LossInput`
# and return `dict[str, Tensor]`, terms of any name, which they alone scale.
MODELS = _child(root.MODELS, "models", "engine")
# Assigners and bbox coders: tensors in, tensors out, no parameters, no gradient of their own.
TASK_UTILS = _child(root.TASK_UTILS, "models")
# Data sets accept an index or a (seed, epoch, index) key, from which alone every random draw of a sample comes.
DATASETS = _child(root.DATASETS, "datasets.voc_dataset", "datasets.coco_dataset", "datasets.yolo_dataset")
# Transforms draw random numbers from results["rng"] only.
TRANSFORMS = _child(root.TRANSFORMS, "datasets.transforms")
# Training samplers yield (seed, epoch, index) keys.
DATA_SAMPLERS = _child(root.DATA_SAMPLERS, "datasets.samplers")
# Collate functions: a list of samples in, `dict(inputs, data_samples)` out.
FUNCTIONS = _child(root.FUNCTIONS, "datasets.collate")
# Metrics return fractions 0..1.
METRICS = _child(root.METRICS, "evaluation")
# Hooks, optimizer wrappers and their constructors: only what MMEngine lacks.
HOOKS = _child(root.HOOKS, "engine")
OPTIM_WRAPPERS = _child(root.OPTIM_WRAPPERS, "engine")
OPTIM_WRAPPER_CONSTRUCTORS = _child(root.OPTIM_WRAPPER_CONSTRUCTORS, "engine")
# Runners, by `runner_type` of a config.
RUNNERS = _child(root.RUNNERS, "engine")
# Empty, but MMEngine's Runner looks in our scope first and warns where there is no registry of a kind.
LOOPS = _child(root.LOOPS)
LOG_PROCESSORS = _child(root.LOG_PROCESSORS)
EVALUATOR = _child(root.EVALUATOR)
VISUALIZERS = _child(root.VISUALIZERS)
VISBACKENDS = _child(root.VISBACKENDS)
MODEL_WRAPPERS = _child(root.MODEL_WRAPPERS)
OPTIMIZERS = _child(root.OPTIMIZERS)
WEIGHT_INITIALIZERS = _child(root.WEIGHT_INITIALIZERS)
