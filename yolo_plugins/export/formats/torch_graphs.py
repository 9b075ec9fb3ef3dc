"""A network as torch's own graphs: by tracing one run, or by `torch.export`."""

from typing import Any, cast

import torch
from torch import Tensor, nn

from yolo_plugins.export.formats.base import quiet
from yolo_plugins.export.metadata import Metadata

_TRIED_BATCH = 2  # torch.export takes a batch of 1 for a constant


def example(network: nn.Module, metadata: Metadata) -> Tensor:
    """Pictures of the size of the input, or of the least that may vary where it is larger, (N, 3, H, W) uint8."""
    generator = torch.Generator().manual_seed(0)
    batch, (height, width) = 1, metadata.input_hw
    if metadata.dynamic:
        least = least_side(network, metadata)
        batch, height, width = _TRIED_BATCH, max(height, least), max(width, least)
    return torch.randint(256, (batch, 3, height, width), dtype=torch.uint8, generator=generator)


def least_side(network: nn.Module, metadata: Metadata) -> int:
    """Pixels of a side that may vary: of a single row of the coarsest level torch.export makes a case of its own."""
    multiple = cast(int, network.multiple)
    return (max(stride for stride, _ in metadata.levels) // multiple + 1) * multiple


@torch.no_grad()
def traced(network: nn.Module, metadata: Metadata) -> Any:
    """The operators of one run, as TorchScript."""
    return quiet(lambda: torch.jit.trace(network, example(network, metadata), check_trace=False))


@torch.no_grad()
def exported(network: nn.Module, metadata: Metadata) -> Any:
    """The program that `torch.export` makes of it."""
    shapes = None
    if metadata.dynamic:
        multiple = cast(int, network.multiple)
        fewest = least_side(network, metadata) // multiple
        sides = {dim: multiple * torch.export.Dim(name, min=fewest) for dim, name in ((2, "rows"), (3, "columns"))}
        shapes = ({0: torch.export.Dim("batch"), **sides},)
    return quiet(lambda: torch.export.export(network, (example(network, metadata),), dynamic_shapes=shapes))
