"""From the outputs of an exported network to detections, as the detector itself chooses them."""

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from yolo_plugins.export.metadata import Selection
from yolo_plugins.models.task_modules.nms import candidates, suppress


def select(
    bboxes: Tensor,
    scores: Tensor,
    chosen: Selection,
    rows_per_level: list[int],
    picture_hw: tuple[int, int],
) -> InstanceData:
    """Detections of one picture.

    Args:
        bboxes: (P, 4) xyxy in input pixels.
        scores: (P, K).
        chosen: By what.
        rows_per_level: Rows of each level, together P.
        picture_hw: Height and width of what of the input is picture, in pixels, from its corner on.

    Returns:
        `bboxes` (k, 4) xyxy in input pixels, `scores` (k,), `labels` (k,), by falling score.
    """
    boxes, found, labels = entering(bboxes, scores, chosen, rows_per_level, picture_hw)
    return suppress(boxes, found, labels, chosen.iou_threshold, chosen.max_per_img)


def entering(
    bboxes: Tensor, scores: Tensor, chosen: Selection, rows_per_level: list[int], picture_hw: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """What enters suppression: boxes (k, 4), scores (k,), labels (k,), by falling score; arguments as for `select`."""
    if chosen.clips:
        height, width = picture_hw
        bboxes = bboxes.clamp(min=0).minimum(bboxes.new_tensor((width, height, width, height)))
    sizes = rows_per_level if chosen.by_level else [len(bboxes)]
    levels = [
        candidates(*level, chosen.score_thr, chosen.multi_label, chosen.nms_pre)
        for level in zip(bboxes.split(sizes), scores.split(sizes), strict=True)
    ]
    bboxes, scores, labels = (torch.cat(parts) for parts in zip(*levels, strict=True))
    if chosen.min_side >= 0:
        large = ((bboxes[:, 2:] - bboxes[:, :2]) > chosen.min_side).all(1)
        bboxes, scores, labels = bboxes[large], scores[large], labels[large]
    order = scores.argsort(descending=True, stable=True)
    return bboxes[order], scores[order], labels[order]


def rows_per_level(levels: tuple[tuple[int, int], ...], input_hw: tuple[int, int]) -> list[int]:
    """Boxes of each level for an input.

    Args:
        levels: (stride, boxes a cell) of each.
        input_hw: Height and width in pixels.
    """
    height, width = input_hw
    return [-(-height // stride) * -(-width // stride) * per_cell for stride, per_cell in levels]
