"""What a checkpoint states beside its weights and has to go with them: the anchors, the epsilon of the norms."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from yolo_plugins.errors import UsageError

_EQUAL = 2e-3  # relative; official files hold anchors as halves


def stated(checkpoint: Mapping[str, Any], key: str) -> Any:
    """A value of the checkpoint's `meta`; None where it does not say."""
    meta = checkpoint.get("meta")
    return meta.get(key) if isinstance(meta, Mapping) else None


def anchors_of(model: nn.Module) -> Tensor | None:
    """(L, A, 2) width and height in pixels of the anchors of a model's head, itself; None where it has none."""
    anchors = getattr(getattr(model, "bbox_head", None), "anchors", None)
    return anchors if torch.is_tensor(anchors) else None


def take_stated(
    checkpoint: Mapping[str, Any],
    model: nn.Module,
    config: Mapping[str, Any],
    taken: Mapping[str, Tensor],
    filename: str,
    training: bool,
) -> list[str]:
    """Gives a model the anchors for which its new weights were trained.

    Args:
        checkpoint: As it was read.
        model: Its anchors change in place.
        config: With `model`. In a training, anchors that it states hold.
        taken: The weights of the checkpoint that the model takes.
        filename: Of the checkpoint.
        training: Whether the model is trained then.

    Returns:
        A sentence on each difference between the checkpoint and the config.

    Raises:
        UsageError: The checkpoint's anchors are none of this model.
    """
    head = (config.get("model") or {}).get("bbox_head")
    holds = training and isinstance(head, Mapping) and "anchors" in head
    told = [_norms_differ(checkpoint, model, taken, filename)]
    if any(key.startswith("bbox_head.") for key in taken):
        told.append(_take_anchors(checkpoint, model, holds, filename))
    return [sentence for sentence in told if sentence]


def _take_anchors(checkpoint: Mapping[str, Any], model: nn.Module, holds: bool, filename: str) -> str | None:
    own, given = anchors_of(model), stated(checkpoint, "anchors")
    if own is None or given is None:
        return None
    try:
        anchors = torch.tensor(given, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError):
        anchors = torch.empty(0)
    if anchors.shape != own.shape or not (anchors > 0).all() or not anchors.isfinite().all():
        raise UsageError(
            f"{filename}: its anchors are {given!r:.80}, not (width, height) of {own.shape[1]} on each of "
            f"{own.shape[0]} levels; give another checkpoint"
        )
    if torch.allclose(anchors, own.cpu(), rtol=_EQUAL):
        return None
    shown = str([[tuple(round(side, 1) for side in pair) for pair in level] for level in anchors.tolist()])
    if holds:
        return f"{filename}: its anchors were {shown}; those that the config states are taken"
    own.copy_(anchors)
    return f"{filename}: its anchors are taken, in place of the config's: model.bbox_head.anchors={shown}"


def _norms_differ(
    checkpoint: Mapping[str, Any], model: nn.Module, taken: Mapping[str, Tensor], filename: str
) -> str | None:
    eps = stated(checkpoint, "norm_eps")
    norms = {
        module.eps
        for name, module in model.named_modules()
        if f"{name}.running_var" in taken and isinstance(getattr(module, "eps", None), float)
    }
    if type(eps) is not float or norms <= {eps}:
        return None
    return (
        f"{filename}: its norms add {eps:g} to the variance, those of the config {max(norms - {eps}):g}: set "
        f"eps={eps:g} in norm_cfg of backbone and neck"
    )
