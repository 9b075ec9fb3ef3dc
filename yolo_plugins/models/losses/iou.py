"""Complete IoU of aligned boxes.

Source: Zheng et al., "Distance-IoU loss" (AAAI 2020), with alpha = v / (v - IoU + 1 + eps) as YOLOv5 weighs it.
mmdet's CIoULoss gates alpha at IoU > 0.5 and so does not match.
"""

import math

import torch
from torch import Tensor


def complete_iou(bboxes_cxcywh: Tensor, target_cxcywh: Tensor, eps: float = 1e-7) -> Tensor:
    """CIoU of each pair; no gradient flows through alpha.

    Args:
        bboxes_cxcywh: (n, 4) centre and size, any unit.
        target_cxcywh: (n, 4) the boxes to compare with, the same unit.
        eps: Added to the union, the squared diagonal, the heights' quotients and alpha's denominator.

    Returns:
        (n,) from -1.5 (apart, other shape) to 1 (equal).
    """
    xy, wh = bboxes_cxcywh.split(2, 1)
    target_xy, target_wh = target_cxcywh.split(2, 1)
    low, high = xy - wh / 2, xy + wh / 2
    target_low, target_high = target_xy - target_wh / 2, target_xy + target_wh / 2

    overlap = (torch.minimum(high, target_high) - torch.maximum(low, target_low)).clamp(min=0).prod(1)
    union = wh.prod(1) + target_wh.prod(1) - overlap + eps
    iou = overlap / union

    diagonal2 = (torch.maximum(high, target_high) - torch.minimum(low, target_low)).square().sum(1) + eps
    distance2 = (target_xy - xy).square().sum(1)
    angle = torch.atan(wh[:, 0] / (wh[:, 1] + eps))
    target_angle = torch.atan(target_wh[:, 0] / (target_wh[:, 1] + eps))
    v = 4 / math.pi**2 * (target_angle - angle).square()
    with torch.no_grad():
        alpha = v / (v - iou + (1 + eps))
    return iou - distance2 / diagonal2 - alpha * v
