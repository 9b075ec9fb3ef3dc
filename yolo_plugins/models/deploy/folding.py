"""A layer and the batch norm that alone reads its output, as one layer."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from yolo_plugins.models.deploy.compare import change, random_tensor, sentence
from yolo_plugins.models.deploy.trace import Trace
from yolo_plugins.models.deploy.trial import Trial

LAYERS = (  # they multiply by weights
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
    nn.Linear,
)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_Swap = dict[nn.Module, nn.Module]  # old module -> new one, the layer first


def fold_norms(model: nn.Module, trial: Trial) -> tuple[list[str], dict[str, str]]:
    """Folds, in place, each batch norm into the layer before it, where nothing else reads that layer's output.

    Args:
        model: Network in evaluation mode.
        trial: Its run.

    Returns:
        Names of the layers that took one; names of the norms that stay, with the reason.
    """
    names = {module: name for name, module in model.named_modules()}
    trace = Trace([module for module in names if isinstance(module, LAYERS)], filter(_is_norm, names))
    trace.run(model, trial.call)
    swaps: dict[str, _Swap] = {}
    stay: dict[str, str] = {}
    for norm in trace.takers:
        reason = trace.obstacle(norm)
        if reason is None:
            layer = trace.maker[norm]
            x = random_tensor(trace.input_shape[layer], next(layer.parameters()))
            try:
                folded, rest = _fold(layer, norm)
                reason = change(nn.Sequential(folded, rest), ((x,), {}), norm(layer(x.clone())))
            except Exception as error:  # layers of other authors may be of any make
                reason = sentence(error)
        if reason is None:
            swaps[names[norm]] = {layer: folded, norm: rest}
        else:
            stay[names[norm]] = reason
    stay |= _apply(model, swaps, trial)
    return [names[next(iter(swap))] for norm, swap in swaps.items() if norm not in stay], stay


def _apply(model: nn.Module, swaps: Mapping[str, _Swap], trial: Trial) -> dict[str, str]:
    """Replaces modules in place, but takes back what changes the network's outputs: its names, with the reason."""
    if not swaps:
        return {}
    together = {old: new for swap in swaps.values() for old, new in swap.items()}
    _replace(model, together)
    reason = trial.obstacle(model, [next(iter(swap)) for swap in swaps.values()])
    if reason is None:
        return {}
    _replace(model, {new: old for old, new in together.items()})
    if len(swaps) == 1:
        return dict.fromkeys(swaps, reason)
    names, half = list(swaps), len(swaps) // 2
    parts = ({name: swaps[name] for name in part} for part in (names[:half], names[half:]))
    return {name: reason for part in parts for name, reason in _apply(model, part, trial).items()}


def _replace(model: nn.Module, new: Mapping[nn.Module, nn.Module]) -> None:
    """Replaces modules in all places where they stand."""
    for path, module in list(model.named_modules(remove_duplicate=False)):
        if path and module in new:
            model.set_submodule(path, new[module])


def _is_norm(module: nn.Module) -> bool:
    """Whether a module is a batch norm; frozen ones are of other classes."""
    return isinstance(module, _BATCH_NORMS) or isinstance(getattr(module, "running_mean", None), Tensor)


def _fold(layer: Any, norm: Any) -> tuple[nn.Module, nn.Module]:
    """(the layer with scale and shift of the norm in its weights, what the norm does beyond them)."""
    folded: nn.Module
    if isinstance(layer, nn.Linear):
        folded = fuse_linear_bn_eval(layer, norm)
    else:
        folded = fuse_conv_bn_eval(layer, norm, layer.transposed)
    rest = [child for child in norm.children() if not isinstance(child, nn.Identity)]  # timm's BatchNormAct2d: act
    return folded, nn.Sequential(*rest) if rest else nn.Identity()
