"""The run by which a network is judged: a random image, and what the training form makes of it."""

from collections.abc import Iterable

import torch
from torch import nn

from yolo_plugins.errors import UsageError
from yolo_plugins.models.deploy.compare import Call, change, random_tensor, run, sentence, tensors


class Trial:
    """An image and the outputs that belong to it.

    Args:
        model: Network in evaluation mode.
        input_hw: Height and width of the image in pixels.

    Attributes:
        call: The network's arguments.
        outputs: What it returns, in its training form.

    Raises:
        UsageError: It does not run on such an image, or returns no tensors.
    """

    def __init__(self, model: nn.Module, input_hw: tuple[int, int]) -> None:
        image = random_tensor((1, 3, *input_hw), next(model.parameters(), torch.empty(0)))
        self.call: Call = ((image,), {})
        name, size = type(model).__name__, f"{input_hw[0]}x{input_hw[1]} pixels (height x width)"
        try:
            self.outputs = run(model, self.call)
        except UsageError:  # the network itself says what is wrong with the size
            raise
        except Exception as error:  # another author's code: anything may come
            raise UsageError(
                f"{name} does not run on an image of {size}: {sentence(error)}; give a size that it takes (img_size of "
                "a config, input_hw of to_deploy)"
            ) from error
        if not any(True for _ in tensors(self.outputs)):
            raise UsageError(
                f"{name} returns {type(self.outputs).__name__} without tensors for an image, so that its deploy form "
                "could not be checked; give to_deploy a network whose forward(image) returns its raw outputs"
            )

    def obstacle(self, network: nn.Module, replaced: Iterable[nn.Module]) -> str | None:
        """Why a changed network is not what it was; None where it is, and no longer calls what was replaced in it."""
        called: list[nn.Module] = []
        handles = [module.register_forward_pre_hook(lambda module, _: called.append(module)) for module in replaced]
        reason = change(network, self.call, self.outputs)
        for handle in handles:
            handle.remove()
        return reason or ("the network calls what was replaced, by a reference that is no module" if called else None)
