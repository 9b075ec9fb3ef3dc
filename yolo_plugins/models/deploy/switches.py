"""Modules that know their own deploy form: RepVGG, MobileOne, FastViT, RepViT and whatever else has such a method."""

import copy
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from yolo_plugins.models.deploy.compare import Call, change, run, sentence
from yolo_plugins.models.deploy.trial import Trial

_SWITCHES = ("switch_to_deploy", "reparameterize", "fuse")  # of mmpretrain; of timm; of LeViT and its descendants


def use_switches(model: nn.Module, trial: Trial) -> tuple[nn.Module, list[str], dict[str, str]]:
    """Uses the switches of all modules that ran, and takes back what changes a result.

    Args:
        model: Network in evaluation mode; left as it is.
        trial: Its run.

    Returns:
        The converted network, names of the modules whose switch was used, name -> why another one's was not.
    """
    calls = _record_calls(model, trial)
    if not calls:
        return model, [], {}
    used: list[str] = []
    failed: dict[str, str] = {}
    new: dict[nn.Module, nn.Module] = {}  # one module may stand in several places

    def convert(module: nn.Module, name: str) -> nn.Module:
        """Outer switches first, since they count on inner modules as they are; then those that are left within."""
        if module not in new:
            label = name or type(module).__name__
            result = _switched(module, calls[name]) if name in calls and _switch_of(module) else None
            if isinstance(result, str):
                failed[label] = result
            elif result is not None:
                used.append(label)
            new[module] = converted = result if isinstance(result, nn.Module) else module
            for key, child in list(converted._modules.items()):
                if child is not None:
                    setattr(converted, key, convert(child, f"{name}.{key}".lstrip(".")))
        return new[module]

    converted = convert(copy.deepcopy(model), "")
    reason = trial.obstacle(converted, [old for old, replacement in new.items() if replacement is not old])
    if reason is None:
        return converted, used, failed
    return model, [], failed | dict.fromkeys(used, f"after all switches of the network, {reason}")


def _switch_of(module: nn.Module) -> str | None:
    """Name of a module's own switch; a layer of such a name is none, nor a method that needs arguments."""
    for name in _SWITCHES:
        method = getattr(type(module), name, None)
        if inspect.isfunction(method):
            parameters = list(inspect.signature(method).parameters.values())[1:]
            if all(p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
                return name
    return None


def _record_calls(model: nn.Module, trial: Trial) -> dict[str, Call]:
    """What each module with a switch was last called with while the network ran."""
    calls: dict[str, Call] = {}

    def hook(name: str) -> Callable[..., None]:
        def record(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            calls[name] = copy.deepcopy((args, kwargs))  # the module may write into them

        return record

    handles = [
        module.register_forward_pre_hook(hook(name), with_kwargs=True)
        for name, module in model.named_modules()
        if _switch_of(module)
    ]
    if handles:
        run(model, trial.call)
    for handle in handles:
        handle.remove()
    return calls


def _switched(module: nn.Module, call: Call) -> nn.Module | str | None:
    """A copy after its switch; or why the switch cannot be used; None where it does nothing."""
    switched = copy.deepcopy(module)
    try:
        expected = run(module, call)
        returned = getattr(switched, str(_switch_of(module)))()
    except Exception as error:  # another author's code: anything may come
        return f"its switch fails: {sentence(error)}"
    if isinstance(returned, nn.Module):
        switched = returned
    before, after = module.state_dict(), switched.state_dict()
    if before.keys() == after.keys() and all(torch.equal(before[key], after[key]) for key in before):
        return None
    switched.eval()
    reason = change(switched, call, expected)
    return switched if reason is None else f"after its switch, {reason}"
