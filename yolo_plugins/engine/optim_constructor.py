"""Three parameter groups as YOLOv5 forms them: weights with decay, norm weights without, biases without."""

from typing import Any

from mmengine.optim import OptimWrapper
from torch import nn

from yolo_plugins.errors import UsageError
from yolo_plugins.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS


def group_parameters(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Sorts the trainable parameters, each once however often it is shared.

    Returns:
        Three lists: `decay` (everything of two or more dimensions), `no_decay` (the rest, above all the weights of
        norm layers), `bias` (every parameter called `bias`).
    """
    groups: dict[str, list[nn.Parameter]] = {"decay": [], "no_decay": [], "bias": []}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        is_bias = name.rsplit(".", 1)[-1] == "bias"
        groups["bias" if is_bias else "decay" if parameter.ndim >= 2 else "no_decay"].append(parameter)
    return groups


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class YOLOOptimWrapperConstructor:
    """Builds the optimizer over the three groups and its wrapper; each group carries its name as `kind`.

    Args:
        optim_wrapper_cfg: `type` of the wrapper, its options, and `optimizer` (`type` and options).
        paramwise_cfg: Accepted for MMEngine's sake, must be None: the groups are fixed.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        if paramwise_cfg:
            raise UsageError(f"YOLOOptimWrapperConstructor takes no paramwise_cfg, got {paramwise_cfg}: remove it")
        self._wrapper_cfg = optim_wrapper_cfg

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Builds the wrapper for a model, or for the model inside a (distributed) wrapper.

        Raises:
            UsageError: Unknown optimizer, or nothing to train.
        """
        wrapper_cfg: dict[str, Any] = dict(self._wrapper_cfg)
        optimizer_cfg = dict(wrapper_cfg.pop("optimizer"))
        name = optimizer_cfg.pop("type")
        optimizer_class = OPTIMIZERS.get(name) if isinstance(name, str) else name
        if optimizer_class is None:
            raise UsageError(f"optim_wrapper.optimizer.type={name!r} is no optimizer: use for example 'SGD'")
        groups = group_parameters(getattr(model, "module", model))
        if not any(groups.values()):
            raise UsageError("every parameter of the model is frozen: nothing to train; change the frozen stages")
        own_decay = {"decay": {}, "no_decay": {"weight_decay": 0.0}, "bias": {"weight_decay": 0.0}}
        param_groups = [{"params": params, "kind": kind, **own_decay[kind]} for kind, params in groups.items()]
        optimizer = optimizer_class(param_groups, **optimizer_cfg)
        return OPTIM_WRAPPERS.build(wrapper_cfg, default_args={"optimizer": optimizer})
