"""A detector whose outputs are final detections: the selection of `select`, in operators alone."""

import torch
from torch import Tensor, nn
from torchvision.ops import nms

from yolo_plugins.export.exportable import Exportable
from yolo_plugins.export.metadata import Selection
from yolo_plugins.export.select import entering, rows_per_level

_MOST = 1000  # rows of the outputs where a detector keeps whatever is left


class Detections(nn.Module):
    """(1, 3, H, W) uint8 BGR -> boxes (1, M, 4) xyxy in input pixels, scores (1, M), labels (1, M).

    They are by falling score; rows after the last detection have score 0.

    Args:
        network: Whose boxes they are.
        selection: By what.
        input_hw: Height and width in pixels of the input.
    """

    def __init__(self, network: Exportable, selection: Selection, input_hw: tuple[int, int]) -> None:
        super().__init__()
        self.network, self.multiple = network, network.multiple
        self._selection, self._input_hw = selection, input_hw
        self._rows = rows_per_level(network.levels, input_hw)
        self._most = min(selection.max_per_img, _MOST)
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Detects on one picture."""
        boxes, scores = (output[0] for output in self.network(images))
        found = entering(boxes, scores, self._selection, self._rows, self._input_hw)
        # with two empty boxes more, as torch.export takes it that at least two are left
        boxes, scores, labels = (torch.cat((part, part.new_zeros(2, *part.shape[1:]))) for part in found)
        offsets = labels[:, None] * (boxes.max() - boxes.min() + 1)  # no box overlaps one of another class
        kept = nms(boxes + offsets, scores, self._selection.iou_threshold)
        return tuple(self._padded(part[kept])[None] for part in (boxes, scores, labels))

    def _padded(self, rows: Tensor) -> Tensor:
        return torch.cat((rows, rows.new_zeros(self._most, *rows.shape[1:])))[: self._most]
