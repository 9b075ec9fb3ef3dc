"""A network as torch's own graphs: by tracing one run, or by `torch.export`."""

from typing import Any, cast

import torch
from torch import Tensor, nn

from yolo_plugins.export.formats.base import quiet
from yolo_plugins.export.metadata import Metadata

_FEWEST_CELLS = 2  # a side, of the coarsest level: of one row torch.export makes a case of its own, and refuses it
_TRIED_BATCH = 2  # torch.export takes a batch of 1 for a constant


def example(metadata: Metadata) -> Tensor:
    """A picture of the size of the input, (N, 3, H, W) uint8."""
    generator = torch.Generator().manual_seed(0)
    batch = _TRIED_BATCH if metadata.dynamic else 1
    return torch.randint(256, (batch, 3, *metadata.input_hw), dtype=torch.uint8, generator=generator)


@torch.no_grad()
def traced(network: nn.Module, metadata: Metadata) -> Any:
    """The operators of one run, as TorchScript."""
    return quiet(lambda: torch.jit.trace(network, example(metadata), check_trace=False))


@torch.no_grad()
def exported(network: nn.Module, metadata: Metadata) -> Any:
    """The program that `torch.export` makes of it."""
    shapes = None
    if metadata.dynamic:
        multiple = cast(int, network.multiple)
        sides = {
            dim: multiple * torch.export.Dim(name, min=_FEWEST_CELLS) for dim, name in ((2, "rows"), (3, "columns"))
        }
        shapes = ({0: torch.export.Dim("batch"), **sides},)
    return quiet(lambda: torch.export.export(network, (example(metadata),), dynamic_shapes=shapes))
