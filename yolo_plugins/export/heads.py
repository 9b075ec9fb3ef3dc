"""Maps of a neck to decoded boxes and scores, whatever the head, in operators alone, so that exporters take them.

MMDetection's heads decode and select in one Python function, which no exporter takes; here is its decoding alone. A
head that decodes otherwise than its base class is refused.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from yolo_plugins.errors import UsageError
from yolo_plugins.export.metadata import NO_LIMIT, Selection
from yolo_plugins.models.detectors.wiring import is_mmdet_head
from yolo_plugins.models.task_modules.nms import select_detections
from yolo_plugins.registry import extends

_YOLOX = "mmdet.models.dense_heads.yolox_head.YOLOXHead"


def check_head(detector: Any) -> None:
    """Refuses a detector whose outputs cannot be decoded by operators alone.

    Raises:
        UsageError: It has no dense head, or one that decodes in a way of its own.
    """
    head = getattr(detector, "bbox_head", None)
    if head is None or not hasattr(detector, "extract_feat"):
        raise UsageError(
            f"{type(detector).__name__} is no single-stage detector with a dense head, and cannot be exported; export "
            "one that is"
        )
    if hasattr(head, "decode") or extends(type(head), _YOLOX):
        return
    if not is_mmdet_head(head):
        raise UsageError(f"{type(head).__name__} has no method decode(raw), and cannot be exported; give it one")
    from mmdet.models.dense_heads.base_dense_head import BaseDenseHead

    for name in ("predict_by_feat", "_predict_by_feat_single"):
        if getattr(type(head), name) is not getattr(BaseDenseHead, name):
            raise UsageError(f"{type(head).__name__} decodes in a way of its own, and cannot be exported; take another")
    kind = head.test_cfg.get("nms", {}).get("type")
    if kind != "nms":
        raise UsageError(f"model.test_cfg.nms.type={kind!r}: exported files know 'nms' alone; set it")


def decode(head: Any, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Boxes and scores.

    Args:
        head: That `check_head` lets pass.
        maps: (N, C_i, H_i, W_i) of the neck.

    Returns:
        Boxes (N, P, 4) xyxy in input pixels, level by level, and scores (N, P, K).
    """
    if hasattr(head, "decode"):
        decoded = head.decode(head(maps))
        centre, half = decoded[..., :2], decoded[..., 2:4] / 2
        return torch.cat((centre - half, centre + half), -1), decoded[..., 5:] * decoded[..., 4:5]
    return _decode_mmdet(head, *head(maps))


def _decode_mmdet(
    head: Any, classes: Sequence[Tensor], deltas: Sequence[Tensor], factors: Sequence[Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    is_yolox = extends(type(head), _YOLOX)
    extra = {"with_stride": True} if is_yolox else {}
    like = classes[0]
    priors = head.prior_generator.grid_priors(
        [level.shape[-2:] for level in classes], dtype=like.dtype, device=like.device, **extra
    )
    scores = _flat(classes, head.cls_out_channels)
    scores = scores.sigmoid() if is_yolox or head.use_sigmoid_cls else scores.softmax(-1)[..., :-1]
    if factors is not None:
        scores = scores * _flat(factors, 1).sigmoid()
    dim = 4 if is_yolox else head.bbox_coder.encode_size
    points, flat = torch.cat(priors), _flat(deltas, dim)
    if is_yolox:
        return head._bbox_decode(points, flat), scores
    count = flat.shape[0]
    repeated = points.expand(count, *points.shape).flatten(0, 1)  # coders take one row of priors for one of deltas
    bboxes = head.bbox_coder.decode(repeated, flat.flatten(0, 1))
    return getattr(bboxes, "tensor", bboxes).view(count, -1, 4), scores


def _flat(levels: Sequence[Tensor], width: int) -> Tensor:
    """(N, A*width, H, W) a level -> (N, P, width)."""
    return torch.cat([level.permute(0, 2, 3, 1).reshape(level.shape[0], -1, width) for level in levels], 1)


def selection_of(detector: Any) -> Selection:
    """How a detector chooses detections."""
    head = detector.bbox_head
    if hasattr(head, "decode"):
        parameters = list(inspect.signature(select_detections).parameters.values())[1:]
        return Selection(**({known.name: known.default for known in parameters} | dict(head.test_cfg)))
    given, is_yolox = head.test_cfg, extends(type(head), _YOLOX)
    nms_pre = given.get("nms_pre", -1)
    return Selection(
        score_thr=float(given.get("score_thr", 0)),
        iou_threshold=float(given["nms"]["iou_threshold"]),
        multi_label=not is_yolox,
        nms_pre=nms_pre if nms_pre > 0 and not is_yolox else NO_LIMIT,
        max_per_img=NO_LIMIT if is_yolox else given.get("max_per_img", 100),
        by_level=not is_yolox,
        clips=not is_yolox,
        min_side=-1.0 if is_yolox else float(given.get("min_bbox_size", -1)),
        stays_inside=getattr(detector, "undoes_padding", False),
    )
