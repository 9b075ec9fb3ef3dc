"""What maps a network gives, measured: one run on a small image tells strides, channels and what each map needs."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from yolo_plugins.errors import UsageError


@dataclass(frozen=True)
class Level:
    """One output of a network.

    Attributes:
        index: Its place among the outputs.
        output: The output itself, with its graph; (1, C, h, w) where it is a map.
        stride: Input pixels per cell where both sides agree on a whole number, else None.
        widens: Whether a lone 1x1 convolution made it out of the map before, for a classifier.
    """

    index: int
    output: Tensor
    stride: int | None
    widens: bool

    @property
    def channels(self) -> int:
        """Channels of the map."""
        return self.output.shape[1]

    def __str__(self) -> str:
        shape = "x".join(map(str, self.output.shape[1:]))
        return f"#{self.index} {shape} ({f'stride {self.stride}' if self.stride else 'no stride'})"


def trace_levels(net: nn.Module, name: str, input_hw: tuple[int, int]) -> list[Level]:
    """Runs a network in evaluation mode on a blank image and looks at what it returns.

    Args:
        net: From (1, 3, H, W) to a sequence of tensors, or one tensor.
        name: What messages call it.
        input_hw: Size of the image in pixels, multiples of every stride of interest.

    Raises:
        UsageError: It does not run on such an image, or returns something else.
    """
    returned: list[tuple[Any, nn.Module]] = []  # inner modules before outer ones

    trainable = {parameter: parameter.requires_grad for parameter in net.parameters()}
    hooks = [
        module.register_forward_hook(lambda module, _, output: returned.append((output, module)))
        for module in net.modules()
    ]
    training = net.training
    try:
        net.requires_grad_(True).eval()
        with torch.enable_grad():
            outputs = net(torch.zeros(1, 3, *input_hw))
    except Exception as error:  # another author's code: anything may come
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0] or 'no reason given'}"
        raise UsageError(
            f"{name} does not run on a {input_hw[0]}x{input_hw[1]} image ({reason}); if it is made for one size, give "
            "that of your images in its config (img_size=320)"
        ) from error
    finally:
        net.train(training)
        for hook in hooks:
            hook.remove()
        for parameter, value in trainable.items():
            parameter.requires_grad_(value)
    outputs = [outputs] if isinstance(outputs, Tensor) else outputs
    if not isinstance(outputs, Sequence) or not all(isinstance(output, Tensor) for output in outputs):
        raise UsageError(f"{name} returns no list of maps; use its form for dense tasks, if it has one")
    return [
        Level(index, output, _stride(output, input_hw), _widens(output, returned))
        for index, output in enumerate(outputs)
    ]


def _stride(output: Tensor, input_hw: tuple[int, int]) -> int | None:
    """Input pixels per cell; None for what is no map, or a map that the stride does not fit exactly."""
    if output.ndim != 4:
        return None
    (h, w), (map_h, map_w) = input_hw, output.shape[2:]
    stride = h // map_h if map_h else 0
    return stride if (map_h * stride, map_w * stride) == (h, w) else None


def _widens(output: Tensor, returned: Sequence[tuple[Any, nn.Module]]) -> bool:
    """Whether the outermost module that returned a map has a 1x1 convolution and no other weights of two dimensions."""
    source = next((module for value, module in reversed(returned) if value is output), None)
    layers = [] if source is None else [part for part in source.modules() if hasattr(part, "weight")]
    layers = [part for part in layers if isinstance(part.weight, Tensor) and part.weight.ndim > 1]
    return len(layers) == 1 and isinstance(layers[0], nn.Conv2d) and layers[0].kernel_size == (1, 1)


def choose_levels(levels: Sequence[Level], strides: Sequence[int], name: str) -> list[Level]:
    """The deepest map of each stride, but not one that only widens another for a classifier.

    Raises:
        UsageError: A stride has no map.
    """
    chosen = {}
    for level in levels:
        if level.stride and not (level.widens and level.stride in chosen):
            chosen[level.stride] = level
    missing = [stride for stride in strides if stride not in chosen]
    if missing:
        raise UsageError(f"{name} gives no map of stride {_listed(missing)}: {_listed(levels)}; {_remedy(levels)}")
    return [chosen[stride] for stride in strides]


def _listed(things: Sequence[object]) -> str:
    return ", ".join(map(str, things))


def _remedy(levels: Sequence[Level]) -> str:
    if all(level.output.ndim != 4 for level in levels):
        return "use its form for dense tasks, if it has one (mmpretrain: out_type='featmap')"
    if any(level.stride is None for level in levels):
        return "pad its convolutions so that each halving is exact, as the net 'InceptionV4' does"
    return "give out_indices that reach these strides, or take a network that has them"


def needed_parameters(levels: Sequence[Level]) -> list[nn.Parameter]:
    """The parameters that any of these maps depends on."""
    found: dict[int, nn.Parameter] = {}
    stack = [level.output.grad_fn for level in levels if level.output.grad_fn is not None]
    seen: set[Any] = set()
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):  # where the graph ends in a leaf
            found[id(node.variable)] = node.variable
        stack += [following for following, _ in node.next_functions if following is not None]
    return list(found.values())


def prune(net: nn.Module, levels: Sequence[Level], name: str, input_hw: tuple[int, int]) -> None:
    """Cuts off, in place, every module and parameter that none of these maps depends on.

    What the network cannot run without, because its code counts on a shape or a list, stays and is frozen.

    Args:
        net: The network.
        levels: The maps that it shall go on to give, of a trial.
        name: What messages call it.
        input_hw: Size of the trial's image in pixels.

    Raises:
        UsageError: A parameter has an influence that the graph does not show.
    """
    needed = {id(parameter) for parameter in needed_parameters(levels)}
    useless = [parameter for parameter in net.parameters() if id(parameter) not in needed]
    values = [parameter.detach().clone() for parameter in useless]
    with torch.no_grad():
        for parameter in useless:
            parameter.fill_(torch.nan)  # it would spread into whatever depends on it
        if useless and not _keeps(net, levels, name, input_hw):
            raise UsageError(
                f"{name}: a map depends on parameters of which its graph shows nothing; switch off checkpointing "
                "(with_cp=False) or detached branches in its config"
            )
        for parameter, value in zip(useless, values, strict=True):
            parameter.copy_(value)
    for parent, key, part in list(_outermost(net, needed)):
        setattr(parent, key, nn.Identity() if isinstance(part, nn.Module) else None)
        if not _keeps(net, levels, name, input_hw):
            setattr(parent, key, part)
            part.requires_grad_(False)


def _outermost(module: nn.Module, needed: Container[int]) -> Iterator[tuple[nn.Module, str, Any]]:
    """(module, name, part) of the largest parts without a needed parameter: modules, or parameters of the module."""
    for key, parameter in module.named_parameters(recurse=False):
        if id(parameter) not in needed:
            yield module, key, parameter
    for key, child in module.named_children():
        ids = [id(parameter) for parameter in child.parameters()]
        if ids and not any(one in needed for one in ids):
            yield module, key, child
        else:
            yield from _outermost(child, needed)


def _keeps(net: nn.Module, levels: Sequence[Level], name: str, input_hw: tuple[int, int]) -> bool:
    """Whether the network still gives these maps; on the meta device, which has no values, their shapes."""
    try:
        after = trace_levels(net, name, input_hw)
    except UsageError:
        return False
    pairs = [(after[level.index].output, level.output) for level in levels]
    return all(now.shape == before.shape and (now.is_meta or torch.equal(now, before)) for now, before in pairs)
