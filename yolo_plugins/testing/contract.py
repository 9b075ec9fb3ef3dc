"""What the checks of all parts share: building, running another author's code, gradients, telling faults."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from yolo_plugins.errors import UsageError
from yolo_plugins.faults import describe, explain
from yolo_plugins.registry import MODELS

TOLERANCE = 1e-4  # of a tensor's largest magnitude; sums of float32 in another order stay well below
_SHOWN = 3  # names that a sentence lists


@contextmanager
def steady_state() -> Iterator[None]:
    """Our scope and a fixed seed; both are put back afterwards."""
    with DefaultScope.overwrite_default_scope("yolo_plugins"), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)  # the CPU's alone: that is what fork_rng puts back
        yield


def build(cfg: dict, **given: Any) -> Any:
    """The part of a config, with what the detector adds to it.

    Raises:
        UsageError: It cannot be built.
    """
    try:
        return MODELS.build(copy.deepcopy(cfg) | given)
    except Exception as error:
        kind = cfg.get("type")
        fault = explain(error) or describe(error, _package(MODELS.get(kind) if isinstance(kind, str) else kind))
        raise UsageError(f"{kind} cannot be built: {fault}") from error


def refuse(part: object, kind: str, faults: Sequence[str]) -> None:
    """Does nothing where there are no faults.

    Raises:
        UsageError: One sentence for each.
    """
    if faults:
        raise UsageError("\n- ".join([f"{type(part).__name__} breaks the contract of a {kind}:", *faults]))


def run(what: str, part: object, check: Callable[..., Iterator[str]], *arguments: Any) -> list[str]:
    """The sentences of a check of a part; what the author's code raises is one of them."""
    try:
        return list(check(*arguments))
    except Exception as error:
        return [f"{what} ends in {explain(error) or describe(error, _package(type(part)))}".strip()]


def _package(author: object) -> str:
    return getattr(author, "__module__", "").partition(".")[0]


def first(names: Sequence[str]) -> str:
    """A few names, and how many more there are."""
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def gradient_faults(gradients: Mapping[str, Tensor | None], unreached_remedy: str) -> Iterator[str]:
    """What is wrong with gradients by name, of which `None` are those that a backward pass did not reach."""
    unreached = [name for name, value in gradients.items() if value is None]
    broken = [name for name, value in gradients.items() if value is not None and not value.isfinite().all()]
    if unreached:
        yield f"no gradient reaches {first(unreached)}; {unreached_remedy}"
    if broken:
        yield f"the gradient of {first(broken)} is not finite; look for a division by zero, or its root or logarithm"


def backward(terms: Mapping[str, Tensor]) -> None:
    """Back-propagates the sum of terms, where it depends on anything."""
    total = torch.stack(list(terms.values())).sum()
    if total.requires_grad:
        total.backward()


def parameter_gradients(part: nn.Module) -> dict[str, Tensor | None]:
    """Gradients of the parameters that are not frozen."""
    return {name: value.grad for name, value in part.named_parameters() if value.requires_grad}


def term_faults(terms: Any) -> Iterator[str]:
    """What is wrong with the terms that a loss gives."""
    if not isinstance(terms, Mapping) or not terms or not all(isinstance(name, str) for name in terms):
        yield f"the loss is {shown(terms)}; return dict[str, Tensor], each term under its name"
        return
    for name, term in terms.items():
        if not isinstance(term, Tensor) or term.ndim:
            yield f"term {name!r} is {shown(term)}; return its mean over the batch, a scalar tensor"
        elif not term.isfinite():
            yield f"term {name!r} is {term.item()}; look for a mean of nothing, or the logarithm of a probability"


def shown(value: Any) -> str:
    """A tensor's shape; of anything else its text."""
    return f"{type(value).__name__}{tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)


def mean_faults(once: Mapping[str, Tensor], twice: Mapping[str, Tensor]) -> Iterator[str]:
    """Terms of a batch, and of the same batch with every image twice, are the same where they are means."""
    for name, term in once.items():
        if not torch.allclose(term.double(), twice[name].double(), rtol=TOLERANCE, atol=1e-9):
            share = (twice[name] / term).item()
            yield (
                f"makes term {name!r} {share:.3g} times as large; return its mean over the batch, for the detector "
                "multiplies by the number of images"
            )


def autocast_faults(exact: Mapping[str, Tensor], terms: Mapping[str, Tensor], allowed: float) -> Iterator[str]:
    """What is wrong with terms under bfloat16 autocast, whose sum may be off by a share of the exact one."""
    yield from [f"gives other terms: {fault}" for fault in term_faults(terms)]
    total, exact_total = (torch.stack(list(values.values())).sum() for values in (terms, exact))
    share = (total / exact_total - 1).abs().item()
    if not share <= allowed:
        yield f"gives other terms: their sum is off by {share:.1g} of its value; compute the loss in float32"
