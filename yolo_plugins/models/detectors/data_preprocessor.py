"""Moves a batch to the device and turns its pixels into the network's input."""

from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor
from torch.nn.functional import interpolate

from yolo_plugins.registry import MODELS
from yolo_plugins.structures import TrainingSamples


@MODELS.register_module()
class YOLODataPreprocessor(BaseDataPreprocessor):
    """BGR pixels 0..255, MMDetection's order -> RGB floats 0..1, channels last in memory, which convolutions prefer.

    A backbone whose weights expect other statistics normalises for itself. Images of one batch have one size; the
    data pipeline letterboxes them.

    Attributes:
        train_hw: Height and width in pixels to which batches are scaled in training, boxes with them; None for theirs.
    """

    train_hw: tuple[int, int] | None = None

    def forward(self, data: dict, training: bool = False) -> dict:
        """Prepares one batch.

        Args:
            data: `inputs`, (N, 3, H, W) uint8 or a list of (3, H, W), and `data_samples`.
            training: Whether the batch is trained on.

        Returns:
            `inputs` (N, 3, H, W) float 0..1 RGB on the device, and `data_samples` on the device, each with the size of
            the batch as `batch_input_shape` and `pad_shape` (H, W).
        """
        inputs = data["inputs"]
        if not isinstance(inputs, torch.Tensor):
            inputs = torch.stack(list(inputs))
        # bytes travel, a quarter of the floats; the device converts and reorders them
        inputs = inputs.to(self.device, non_blocking=True).flip(1)
        inputs = inputs.to(torch.float32, memory_format=torch.channels_last)
        samples: Any = data.get("data_samples")
        if training and self.train_hw not in (None, inputs.shape[2:]):
            samples = samples if isinstance(samples, TrainingSamples) else TrainingSamples(samples)
            samples = samples.scaled(self.train_hw[1] / inputs.shape[3], self.train_hw[0] / inputs.shape[2])
            inputs = interpolate(inputs, self.train_hw, mode="bilinear")
        shape = tuple(inputs.shape[2:])
        return dict(inputs=inputs.div_(255), data_samples=self._prepared(samples, shape))

    def _prepared(self, samples: Any, shape: tuple[int, ...]) -> Any:
        sizes = dict(batch_input_shape=shape, pad_shape=shape)
        if isinstance(samples, TrainingSamples):
            return samples.to(self.device, **sizes)
        samples = self.cast_data(samples)
        if isinstance(samples, list):
            for sample in samples:
                sample.set_metainfo(sizes)
        return samples
