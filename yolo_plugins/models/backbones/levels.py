"""What maps a network gives, measured: one run on a small image tells strides, channels and what each map needs."""

from collections.abc import Sequence
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
    sources: dict[int, nn.Module] = {}  # id of a tensor -> the outermost module that returned it

    def note(module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            sources[id(output)] = module

    trainable = {parameter: parameter.requires_grad for parameter in net.parameters()}
    hooks = [module.register_forward_hook(note) for module in net.modules()]
    training = net.training
    try:
        net.requires_grad_(True).eval()
        with torch.enable_grad():
            outputs = net(torch.zeros(1, 3, *input_hw))
    except Exception as error:  # another author's code: anything may come
        reason = " ".join([f"{type(error).__name__}:", *str(error).split("\n")[:1]])
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
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
        Level(index, output, _stride(output, input_hw), _widens(sources.get(id(output))))
        for index, output in enumerate(outputs)
    ]


def _stride(output: Tensor, input_hw: tuple[int, int]) -> int | None:
    """Input pixels per cell; None for what is no map, or a map that the stride does not fit exactly."""
    if output.ndim != 4:
        return None
    (h, w), (map_h, map_w) = input_hw, output.shape[2:]
    stride = h // map_h if map_h else 0
    return stride if (map_h * stride, map_w * stride) == (h, w) else None


def _widens(source: nn.Module | None) -> bool:
    if source is None:
        return False
    weights = [module for module in source.modules() if getattr(module, "weight", None) is not None]
    layers = [module for module in weights if module.weight.ndim > 1]
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
        return "use its form for dense tasks, if it has one (gap_before_final_norm=False, out_type='featmap')"
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
    """Cuts off, in place, every module and parameter that none of these maps depends on; the maps stay the same.

    Raises:
        UsageError: The network does not run without one of them.
    """
    needed = {id(parameter) for parameter in needed_parameters(levels)}
    for module in list(net.modules()):
        for key, child in module.named_children():
            parameters = list(child.parameters())
            if parameters and not any(id(parameter) in needed for parameter in parameters):
                setattr(module, key, nn.Identity())
        for key, parameter in module.named_parameters(recurse=False):
            if id(parameter) not in needed:
                setattr(module, key, None)
    try:
        after = trace_levels(net, name, input_hw)
        same = all(torch.equal(after[level.index].output, level.output) for level in levels)
    except UsageError:
        same = False
    if not same:
        raise UsageError(
            f"{name} gives other maps once the parameters that no map's graph shows are cut off; switch off "
            "checkpointing (with_cp=False) or detached branches in its config"
        )
