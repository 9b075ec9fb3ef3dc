"""Raw network outputs <-> boxes in pixels."""

import torch
from torch import Tensor

from yolo_plugins.registry import TASK_UTILS


@TASK_UTILS.register_module()
class YOLOv5BBoxCoder:
    """Sigmoid coder: the centre reaches half a cell beyond its cell, sides reach four times the anchor.

    Source: docs/models.md, measured on the released models. With s the sigmoid of the raw value,
    xy = (2 s - 0.5 + cell) * stride and wh = (2 s)^2 * anchor.
    """

    def decode(self, raw: Tensor, cells: Tensor | float, anchors_wh: Tensor, stride: float) -> Tensor:
        """Decodes to centre and size.

        Args:
            raw: (..., 4) raw x, y, w, h.
            cells: (..., 2) column and row of the cell, or 0 for boxes relative to the cell.
            anchors_wh: (..., 2) anchor sides, in the unit of the result.
            stride: The result's units per cell: pixels per cell, or 1 for cells.

        Returns:
            (..., 4) cx, cy, w, h.
        """
        xy, wh = (raw.sigmoid() * 2).chunk(2, -1)
        xy = (xy - 0.5 + cells) * stride
        wh = wh**2 * anchors_wh
        return torch.cat((xy, wh), -1)


@TASK_UTILS.register_module()
class DarknetBBoxCoder:
    """Darknet's coder: the centre stays in its cell but for a margin, sides have no bound.

    Source: Bochkovskiy et al., "YOLOv4" (2020), section 3.3 (grid sensitivity), and Darknet's yolov4-tiny: with s the
    sigmoid of the raw value, xy = (scale_xy * s - (scale_xy - 1) / 2 + cell) * stride and wh = exp(raw) * anchor. For
    weights that Darknet trained; it cannot reach the neighbour cells that `ShapeAssigner` assigns.

    Args:
        scale_xy: Factor of the sigmoid, 1.05 in yolov4-tiny.
    """

    def __init__(self, scale_xy: float = 1.05) -> None:
        self.scale_xy = scale_xy

    def decode(self, raw: Tensor, cells: Tensor | float, anchors_wh: Tensor, stride: float) -> Tensor:
        """Decodes to centre and size; arguments and result as in `YOLOv5BBoxCoder.decode`."""
        xy = (raw[..., :2].sigmoid() * self.scale_xy - (self.scale_xy - 1) / 2 + cells) * stride
        wh = raw[..., 2:].exp() * anchors_wh
        return torch.cat((xy, wh), -1)
