"""Moves a batch to the device and turns its pixels into the network's input."""

import torch
from mmengine.model import BaseDataPreprocessor

from yolo_plugins.registry import MODELS


@MODELS.register_module()
class YOLODataPreprocessor(BaseDataPreprocessor):
    """RGB pixels 0..255 -> floats 0..1, channels last in memory, which convolutions prefer.

    A backbone whose weights expect other statistics normalises for itself. Images of one batch have one size; the
    data pipeline letterboxes them.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        """Prepares one batch.

        Args:
            data: `inputs`, (N, 3, H, W) uint8 or a list of (3, H, W), and `data_samples`.
            training: Unused; MMEngine's signature.

        Returns:
            `inputs` (N, 3, H, W) float 0..1 on the device, and `data_samples` on the device.
        """
        inputs = data["inputs"]
        if not isinstance(inputs, torch.Tensor):
            inputs = torch.stack(list(inputs))
        # bytes travel, a quarter of the floats; the device converts and reorders them in one pass
        inputs = inputs.to(self.device, non_blocking=True).to(torch.float32, memory_format=torch.channels_last)
        return dict(inputs=inputs.div_(255), data_samples=self.cast_data(data.get("data_samples")))
