"""What a network moves: numbers that its operators write, and how many operators there are.

Together with multiply-accumulates they tell more of its time than these alone: a depthwise convolution has few products
and many numbers, and each operator costs something by itself.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode


@dataclass(frozen=True)
class Traffic:
    """What one forward pass moves.

    Attributes:
        elements: Numbers that operators write, views left out.
        operators: Those that write some.
    """

    elements: int
    operators: int


class _Written(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.elements = self.operators = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: dict | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view and isinstance(result, torch.Tensor):
            self.elements += result.numel()
            self.operators += 1
        return result


@torch.no_grad()
def count_traffic(network: nn.Module, input_hw: tuple[int, int]) -> Traffic:
    """Counts for one picture, in evaluation mode; the network may be on the meta device.

    Args:
        network: From (1, 3, H, W) to anything.
        input_hw: Height and width of the input in pixels.
    """
    training = network.training
    network.eval()
    try:
        with _Written() as written:
            network(torch.zeros(1, 3, *input_hw, device=next(network.parameters()).device))
    finally:
        network.train(training)
    return Traffic(written.elements, written.operators)
