"""From the training form to the deploy form, and the report of what was done.

Nothing is assumed of the network: it runs on a random image, each change is compared with what it replaces and then
within the whole network, and what would change a result stays as it is.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.backends import cudnn

from yolo_plugins.faults import some
from yolo_plugins.models.deploy.compare import difference, run
from yolo_plugins.models.deploy.folding import fold_norms
from yolo_plugins.models.deploy.switches import use_switches
from yolo_plugins.models.deploy.trial import Trial


@dataclass(frozen=True)
class DeployReport:
    """What was done to a network; `str()` of it is a short text.

    Attributes:
        fused: Convolutions and linear layers that absorbed the batch norm after them.
        reparameterized: Modules that used their own switch.
        not_fused: Batch norms that are still there, and modules whose switch could not be used, with the reason.
        difference: Largest difference of an output from the training form's on the trial image, as a share of the
            output's largest magnitude.
    """

    fused: tuple[str, ...]
    reparameterized: tuple[str, ...]
    not_fused: dict[str, str]
    difference: float

    def __str__(self) -> str:
        by_reason: dict[str, list[str]] = {}
        for name, reason in self.not_fused.items():
            by_reason.setdefault(reason, []).append(name)
        lines = [
            f"batch norm folded into: {_listed(self.fused)}",
            f"own switch used by: {_listed(self.reparameterized)}",
            *(f"left as they are: {_listed(names)}: {reason}" for reason, names in by_reason.items()),
            f"outputs: within {self.difference:.1g} of the training form's",
        ]
        return "\n".join(lines)


def _listed(names: Sequence[str]) -> str:
    """`5 (a, b, c, ...)`."""
    return f"{len(names)} ({some(names)})" if names else "0"


def to_deploy(model: nn.Module, input_hw: tuple[int, int] = (128, 256)) -> nn.Module:
    """A copy in evaluation mode, re-parameterised, its batch norms folded into the convolutions before them.

    A module re-parameterises itself where it has a method `switch_to_deploy()`, `reparameterize()` or `fuse()`, the
    last of which may return a replacement.

    Args:
        model: Any float32 network that takes an image (1, 3, H, W); left as it is.
        input_hw: Height and width of the image on which the network is tried, in pixels.

    Returns:
        The copy, without gradients, its weights channels last as the data preprocessor's images are; its
        `deploy_report` is a `DeployReport`.

    Raises:
        UsageError: The network does not run on such an image, or returns no tensors in tuples, lists and dicts.
    """
    like = next(model.parameters(), torch.empty(0))
    with (
        torch.inference_mode(False),
        torch.no_grad(),
        torch.random.fork_rng([like.device] if like.is_cuda else []),  # modules that a switch builds draw weights
        cudnn.flags(cudnn.enabled, allow_tf32=False),  # TF32 rounds more than the comparisons allow
    ):
        deployed: Any = copy.deepcopy(model)
        deployed.eval()  # not chained: mmpretrain's networks return nothing
        trial = Trial(deployed, input_hw)
        deployed, switched, failed = use_switches(deployed, trial)
        fused, kept = fold_norms(deployed, trial)
        share = difference(run(deployed, trial.call), trial.outputs)
        deployed.eval()
        deployed.requires_grad_(False)
        deployed.to(memory_format=torch.channels_last)
    deployed.deploy_report = DeployReport(tuple(fused), tuple(switched), failed | kept, share)
    return deployed
