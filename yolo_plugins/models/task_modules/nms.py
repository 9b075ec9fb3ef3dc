"""From decoded outputs to detections: thresholds, classes, non-maximum suppression.

Operators come from torchvision, whose wheels ship them for CUDA too, so no CUDA build of MMCV is needed.
"""

from mmengine.structures import InstanceData
from torch import Tensor


def select_detections(
    decoded: Tensor,
    score_thr: float = 0.001,
    iou_threshold: float = 0.6,
    multi_label: bool = True,
    nms_pre: int = 30_000,
    max_per_img: int = 300,
) -> InstanceData:
    """Greedy suppression within each class of one image's outputs.

    Args:
        decoded: (P, 5 + K) cx, cy, w, h in pixels, objectness and class probabilities.
        score_thr: Objectness, and objectness times class, must exceed this.
        iou_threshold: A box is dropped when it overlaps a better one of its class by more than this.
        multi_label: Whether a box may carry every class above the threshold, or only its best.
        nms_pre: Highest-scoring candidates that enter suppression.
        max_per_img: Detections kept.

    Returns:
        `bboxes` (k, 4) xyxy in pixels, `scores` (k,), `labels` (k,), by falling score.
    """
    from torchvision.ops import box_convert  # half a second, for those who detect

    decoded = decoded[decoded[:, 4] > score_thr]
    bboxes, scores = box_convert(decoded[:, :4], "cxcywh", "xyxy"), decoded[:, 5:] * decoded[:, 4:5]
    bboxes, scores, labels = candidates(bboxes, scores, score_thr, multi_label, nms_pre)
    return suppress(bboxes, scores, labels, iou_threshold, max_per_img)


def candidates(
    bboxes: Tensor, scores: Tensor, score_thr: float, multi_label: bool, nms_pre: int
) -> tuple[Tensor, Tensor, Tensor]:
    """What enters suppression: boxes (k, 4), scores (k,), labels (k,), by falling score.

    Args:
        bboxes: (P, 4).
        scores: (P, K) of each class.
        score_thr: As for `select_detections`.
        multi_label: As for `select_detections`.
        nms_pre: How many at most.
    """
    if multi_label and scores.shape[1] > 1:
        rows, labels = (scores > score_thr).nonzero(as_tuple=True)
        scores = scores[rows, labels]
    else:
        scores, labels = scores.max(1)
        rows = (scores > score_thr).nonzero(as_tuple=True)[0]
        scores, labels = scores[rows], labels[rows]
    order = scores.argsort(descending=True, stable=True)[:nms_pre]
    return bboxes[rows[order]], scores[order], labels[order]


def suppress(bboxes: Tensor, scores: Tensor, labels: Tensor, iou_threshold: float, max_per_img: int) -> InstanceData:
    """Greedy suppression within each class; arguments and result as in `select_detections`, `candidates`."""
    from torchvision.ops import batched_nms

    lowest = bboxes.min() if len(bboxes) else 0.0  # batched_nms takes coordinates from 0 on, or it mixes up classes
    keep = batched_nms(bboxes - lowest, scores, labels, iou_threshold).sort().values[:max_per_img]
    return InstanceData(bboxes=bboxes[keep], scores=scores[keep], labels=labels[keep])
