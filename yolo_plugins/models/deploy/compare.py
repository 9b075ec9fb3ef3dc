"""Whether a changed module still gives the same results, and the words for why not."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from yolo_plugins.errors import UsageError

Call = tuple[tuple[Any, ...], dict[str, Any]]  # arguments by position and by name
_TOLERANCE = 1e-4  # of a tensor's largest magnitude
_TINY = 1e-6  # a smaller magnitude counts as this one: it is what remains where float32 values cancel


def random_tensor(shape: Sequence[int], like: Tensor) -> Tensor:
    """Values in 0..1, the same in every call, that draw nothing from the global generator."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)).to(like)


def run(module: nn.Module, call: Call) -> Any:
    """A call on copies of its arguments, because a module may write into them."""
    args, kwargs = copy.deepcopy(call)
    return module(*args, **kwargs)


def change(module: nn.Module, call: Call, expected: Any) -> str | None:
    """Why a call does not give what is expected; None where it does."""
    try:
        share = difference(run(module, call), expected)
    except Exception as error:  # another author's code: anything may come
        return sentence(error)
    return None if share <= _TOLERANCE else f"the result differs by {share:.1g} of its magnitude"


def difference(result: Any, expected: Any) -> float:
    """Largest difference of two results, as a share of the tensor's magnitude; infinite where they do not match."""
    ours, theirs = list(tensors(result)), list(tensors(expected))
    if [tensor.shape for tensor in ours] != [tensor.shape for tensor in theirs]:
        return float("inf")
    shares = [
        (one.double() - other.double()).abs().max() / other.double().abs().max().clamp(min=_TINY)
        for one, other in zip(ours, theirs, strict=True)
        if one.numel()
    ]
    return torch.stack(shares).max().item() if shares else 0.0  # nan stays nan


def tensors(values: Any) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists and dicts."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, Mapping):
        yield from tensors(list(values.values()))
    elif isinstance(values, tuple | list):
        for value in values:
            yield from tensors(value)


def sentence(error: Exception) -> str:
    """The kind of an error and the first line of its message; of ours the message, which needs no kind."""
    message = str(error).partition("\n")[0]
    return message if isinstance(error, UsageError) else f"{type(error).__name__}: {message}".removesuffix(": ")
