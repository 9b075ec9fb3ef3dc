"""Parts that training leaves as they are: their weights, and the running statistics of their norms."""

from collections.abc import Sequence

from torch import nn

from yolo_plugins.errors import UsageError

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


class Freezable(nn.Module):
    """A module whose frozen parts stay in evaluation mode while it trains.

    Frozen is a part of which no parameter wants a gradient. Its norms would otherwise go on following the batches.

    Attributes:
        norm_eval: Whether every batch norm keeps its running statistics in training, frozen or not.
    """

    norm_eval = False

    def train(self, mode: bool = True) -> "Freezable":
        """Training mode for all but frozen parts and, with `norm_eval`, batch norms."""
        super().train(mode)
        for module in self.modules():
            own = list(module.parameters())
            frozen = bool(own) and not any(parameter.requires_grad for parameter in own)
            if mode and module is not self and (frozen or (self.norm_eval and isinstance(module, _BATCH_NORMS))):
                module.eval()
        return self


def freeze_stages(stages: Sequence[Sequence[nn.Module]], frozen_stages: int, owner: str) -> None:
    """Freezes the first stages of a backbone.

    Args:
        stages: What makes the map of stride 2, of stride 4, and so on.
        frozen_stages: k freezes all that the map of stride 2 ** (k + 1) depends on; -1 freezes nothing.
        owner: What messages call the backbone.

    Raises:
        UsageError: There is no such stage.
    """
    if not -1 <= frozen_stages < len(stages):
        known = list(range(len(stages)))
        raise UsageError(f"frozen_stages={frozen_stages}: {owner} has no such stage; use -1 or one of {known}")
    for part in (part for stage in stages[: frozen_stages + 1] for part in stage):
        part.requires_grad_(False)
