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
    from torchvision.ops import batched_nms, box_convert  # half a second, for those who detect

    decoded = decoded[decoded[:, 4] > score_thr]
    scores = decoded[:, 5:] * decoded[:, 4:5]
    if multi_label and scores.shape[1] > 1:
        rows, labels = (scores > score_thr).nonzero(as_tuple=True)
        scores = scores[rows, labels]
    else:
        scores, labels = scores.max(1)
        rows = (scores > score_thr).nonzero(as_tuple=True)[0]
        scores, labels = scores[rows], labels[rows]
    order = scores.argsort(descending=True, stable=True)[:nms_pre]
    bboxes = box_convert(decoded[rows[order], :4], "cxcywh", "xyxy")
    scores, labels = scores[order], labels[order]
    lowest = bboxes.min() if len(bboxes) else 0.0  # batched_nms takes coordinates from 0 on, or it mixes up classes
    keep = batched_nms(bboxes - lowest, scores, labels, iou_threshold).sort().values[:max_per_img]
    return InstanceData(bboxes=bboxes[keep], scores=scores[keep], labels=labels[keep])
