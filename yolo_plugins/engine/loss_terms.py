"""Which of the numbers that a training iteration logs are terms of its loss."""

from collections.abc import Mapping

from torch import Tensor


def loss_terms(outputs: Mapping[str, Tensor]) -> dict[str, float]:
    """The terms of one iteration's loss by name, in MMEngine's convention: what holds "loss" in its name is trained on.

    Args:
        outputs: What `train_step` returned: `loss`, their sum, and scalars such as `loss_cls` and `acc`.

    Returns:
        The terms, "loss_" left out of their names: `cls`; `loss` itself for a model that logs nothing else.
    """
    names = [name for name in outputs if "loss" in name and name != "loss"]
    terms = {name.replace("loss_", ""): outputs[name].item() for name in names}
    return terms or {"loss": outputs["loss"].item()}
