"""A detector as one function of tensors, from the pixels of a letterboxed picture to boxes and scores."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from yolo_plugins.errors import UsageError
from yolo_plugins.export.heads import check_head, decode

_WHITE = 255  # the largest value of a pixel
_PROBE = (10, 20, 30)  # blue, green and red of a picture by which the order of the channels is found


class Exportable(nn.Module):
    """(N, 3, H, W) uint8 BGR -> boxes (N, P, 4) xyxy in input pixels, and scores (N, P, K) of the classes.

    Args:
        detector: In deploy form, best; its weights are shared.
        input_hw: Height and width in pixels of an input that it takes.

    Attributes:
        levels: (stride in pixels, boxes a cell) of each level of the boxes, fine to coarse.
        multiple: Of which, in pixels, both sides of an input have to be multiples.

    Raises:
        UsageError: It cannot be written as one function of tensors.
    """

    def __init__(self, detector: nn.Module, input_hw: tuple[int, int]) -> None:
        super().__init__()
        check_head(detector)
        self.detector: Any = detector
        self._measure_normalisation()
        self.eval()
        self.levels = self._measure_levels(input_hw)
        # coarser levels than the backbone's are made from its coarsest, whatever the size of that
        self.multiple = max(getattr(detector.backbone, "out_strides", [stride for stride, _ in self.levels]))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Decodes a batch."""
        pixels = images.flip(1) if self._reverses else images
        pixels = pixels.to(self.get_buffer("std").dtype)
        if self._shifts:
            pixels = pixels - self.get_buffer("mean")
        return decode(self.detector.bbox_head, self.detector.extract_feat(pixels / self.get_buffer("std")))

    def _measure_normalisation(self) -> None:
        """Reads off the data preprocessor what it does to a pixel, whoever wrote it."""
        black, white, probe = (self._preprocessed(pixel) for pixel in ((0,) * 3, (_WHITE,) * 3, _PROBE))
        std = _WHITE / (white - black)
        values = (probe * std - black * std).round().int().tolist()
        if sorted(values) != sorted(_PROBE) or values[1] != _PROBE[1]:
            raise UsageError(
                f"{type(self.detector.data_preprocessor).__name__} does more to a pixel than to reverse its channels, "
                "subtract a mean and divide by a deviation, and cannot be exported; take YOLODataPreprocessor"
            )
        self._reverses, self._shifts = values[0] != _PROBE[0], bool(black.any())
        self.register_buffer("mean", (-black * std).view(1, 3, 1, 1))
        self.register_buffer("std", std.view(1, 3, 1, 1))

    def _preprocessed(self, bgr: tuple[int, ...]) -> Tensor:
        """(3,) What the network gets for a picture of one colour."""
        picture = torch.tensor(bgr, dtype=torch.uint8).view(3, 1, 1).expand(3, 32, 32)
        return self.detector.data_preprocessor({"inputs": [picture]})["inputs"][0, :, 0, 0].float()

    @torch.no_grad()
    def _measure_levels(self, input_hw: tuple[int, int]) -> tuple[tuple[int, int], ...]:
        images = torch.zeros(1, 3, *input_hw, device=self.get_buffer("std").device)
        maps = self.detector.extract_feat(images)
        boxes = decode(self.detector.bbox_head, maps)[0].shape[1]
        per_cell = boxes // sum(level.shape[-2] * level.shape[-1] for level in maps)
        strides = getattr(self.detector, "strides", None) or self.detector.bbox_head.prior_generator.strides
        return tuple((max(stride) if isinstance(stride, Sequence) else stride, per_cell) for stride in strides)
