"""InceptionV4 with padding, so that its maps have strides 8, 16 and 32 exactly.

Source: Szegedy et al., "Inception-v4, Inception-ResNet and the Impact of Residual Connections" (AAAI 2017), as timm
builds it. It differs from the paper's network: convolutions and pools that had no padding have some here, so that
320 pixels give 40, 20 and 10 cells and not 37, 18 and 8. Its parameters are the same.
"""

from typing import Any

from torch import nn

from yolo_plugins.models.backbones.timm_net import TimmNet
from yolo_plugins.registry import MODELS


@MODELS.register_module()
class InceptionV4(TimmNet):
    """timm's `inception_v4`, every 3x3 convolution and pool padded by one pixel.

    Args:
        kwargs: Arguments of `timm.create_model`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"model_name": "inception_v4", **kwargs})
        for module in self.model.modules():
            unpadded = getattr(module, "padding", None) in (0, (0, 0))
            if isinstance(module, nn.Conv2d) and unpadded and module.kernel_size == (3, 3):
                module.padding = (1, 1)
            elif isinstance(module, nn.MaxPool2d) and unpadded and module.kernel_size == 3:
                module.padding = 1
