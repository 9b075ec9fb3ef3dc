"""Anchor head of YOLOv5 and Scaled-YOLOv4: one 1x1 convolution a level, and the wiring around it.

Source: docs/models.md, measured on the released models. Assignment, decoding and weighing live in the assigner, the
coder and the loss that the config names.
"""

import inspect
import math
from collections.abc import Sequence
from itertools import accumulate

import torch
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor, nn

from yolo_plugins.errors import UsageError
from yolo_plugins.faults import suggest
from yolo_plugins.models.dense_heads.pick import pick
from yolo_plugins.models.losses import LossInput
from yolo_plugins.models.task_modules import Assignment, select_detections
from yolo_plugins.registry import MODELS, TASK_UTILS

# anchors of the YOLOv5 release (COCO), (width, height) in pixels, strides 8, 16, 32
YOLOV5_ANCHORS = (
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)
_PRIOR_IMAGE_SIZE = 640  # the release states the objectness prior for this size, whatever the input
_PRIOR_OBJECTS = 8  # objects an image
_PRIOR_CLASS = 0.6  # probability mass shared by the classes
_ASSIGNER, _CODER, _LOSS = dict(type="ShapeAssigner"), dict(type="YOLOv5BBoxCoder"), dict(type="YOLOLoss")


@MODELS.register_module()
class YOLOAnchorHead(BaseModule):
    """Predicts box, objectness and classes for every anchor of every cell.

    Args:
        num_classes: Classes, without background.
        in_channels: Channels of the neck's maps, fine to coarse; filled in by the detector.
        strides: Input pixels per cell of those maps; filled in by the detector.
        anchors: Per level, (width, height) of each anchor in pixels.
        assigner: Config of the assigner.
        bbox_coder: Config of the coder.
        loss: Config of the loss, which takes a `LossInput`.
        class_prior_offset: The prior of a class is 0.6 / (classes - this): 0.99999 in YOLOv5, 0.99 in Scaled-YOLOv4.
        test_cfg: Arguments of `select_detections`.
        init_cfg: MMEngine initialisation config.

    Raises:
        UsageError: Anchors, channels and strides differ in their number of levels, the levels in their number of
            anchors; an anchor is no pair of positive numbers; `test_cfg` has an option that does not exist.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: Sequence[int],
        strides: Sequence[int],
        anchors: Sequence[Sequence[tuple[float, float]]] = YOLOV5_ANCHORS,
        assigner: dict = _ASSIGNER,
        bbox_coder: dict = _CODER,
        loss: dict = _LOSS,
        class_prior_offset: float = 0.99999,
        test_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        known = _anchors(anchors)
        if not len(known) == len(in_channels) == len(strides):
            raise UsageError(
                f"{len(known)} levels of anchors for {len(in_channels)} maps of strides {list(strides)}; "
                "give one list of anchors for each level"
            )
        self.num_classes = num_classes
        self.strides = list(strides)
        self.register_buffer("anchors", known, persistent=False)  # (L, A, 2)
        self.outputs_per_anchor = 5 + num_classes
        self.predictors = nn.ModuleList(
            nn.Conv2d(channels, self.anchors.shape[1] * self.outputs_per_anchor, 1) for channels in in_channels
        )
        self.assigner = TASK_UTILS.build(assigner)
        self.bbox_coder = TASK_UTILS.build(bbox_coder)
        self.loss_module = _build_loss(loss)
        self.test_cfg = test_cfg or {}
        _check_options(self.test_cfg)
        self._add_prior_bias(class_prior_offset)

    @torch.no_grad()
    def _add_prior_bias(self, class_prior_offset: float) -> None:
        """Adds the prior log-odds of an object and of each class to PyTorch's default bias."""
        for predictor, stride in zip(self.predictors, self.strides, strict=True):
            bias = predictor.get_parameter("bias").view(-1, self.outputs_per_anchor)
            bias[:, 4] += math.log(_PRIOR_OBJECTS / (_PRIOR_IMAGE_SIZE / stride) ** 2)
            bias[:, 5:] += math.log(_PRIOR_CLASS / (self.num_classes - class_prior_offset))

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps (N, C_i, H_i, W_i) -> raw outputs (N, A, H_i, W_i, 5 + K): x, y, w, h, objectness, classes."""
        outputs = []
        for x, predictor in zip(maps, self.predictors, strict=True):
            y = predictor(x)
            n, _, h, w = y.shape
            # (N, A*(5+K), H, W) -> (N, A, 5+K, H, W) -> (N, A, H, W, 5+K)
            outputs.append(y.view(n, self.anchors.shape[1], self.outputs_per_anchor, h, w).permute(0, 1, 3, 4, 2))
        return tuple(outputs)

    def loss(self, raw: Sequence[Tensor], targets: Tensor, input_hw: tuple[int, int]) -> dict[str, Tensor]:
        """Loss terms of the loss module, weighted means over the batch.

        Args:
            raw: Outputs of `forward`.
            targets: (M, 6) image, class, x1, y1, x2, y2 in input pixels; M may be 0.
            input_hw: Height and width of the network's input in pixels.
        """
        sizes_wh = targets.new_tensor([[level.shape[3], level.shape[2]] for level in raw])
        assigned = self.assigner.assign(targets, self.anchors, targets.new_tensor(self.strides), sizes_wh)
        cells_per_level = [level[..., 4].numel() for level in raw]
        rows_per_level = torch.bincount(assigned.levels, minlength=len(raw)).tolist()
        places = self._places(assigned, sizes_wh.long())
        starts = places.new_tensor([0, *accumulate(cells_per_level)])
        obj_logits, rows = pick(raw, places.split(rows_per_level))
        raw_bboxes, _, cls_logits = rows.split((4, 1, self.num_classes), 1)
        return self.loss_module(
            LossInput(
                obj_logits=obj_logits,
                bboxes_cxcywh=self.bbox_coder.decode(raw_bboxes, 0.0, assigned.anchors_wh, 1.0),
                cls_logits=cls_logits,
                positives=places + starts[assigned.levels],
                levels=assigned.levels,
                target_cxcywh=assigned.bboxes_cxcywh,
                labels=assigned.labels,
                cells_per_level=cells_per_level,
                input_hw=input_hw,
            )
        )

    def _places(self, assigned: Assignment, sizes_wh: Tensor) -> Tensor:
        """(R,) place of each positive row in its level, in the order of `pick`; sizes (L, 2)."""
        w, h = sizes_wh[assigned.levels].unbind(1)
        cells = (assigned.images * h + assigned.rows) * w + assigned.columns
        return cells * self.anchors.shape[1] + assigned.anchors

    def decode(self, raw: Sequence[Tensor]) -> Tensor:
        """Raw outputs of all levels -> (N, P, 5 + K): cx, cy, w, h in input pixels, then probabilities.

        P runs level by level, then over anchors, rows and columns.
        """
        decoded = []
        for level, anchors, stride in zip(raw, self.anchors, self.strides, strict=True):
            h, w = level.shape[2:4]
            rows, columns = torch.meshgrid(
                torch.arange(h, device=level.device), torch.arange(w, device=level.device), indexing="ij"
            )
            cells = torch.stack((columns, rows), -1)  # (H, W, 2)
            level = level.float()
            bboxes = self.bbox_coder.decode(level[..., :4], cells, anchors[:, None, None], stride)
            # (N, A, H, W, 5+K) -> (N, A*H*W, 5+K)
            decoded.append(torch.cat((bboxes, level[..., 4:].sigmoid()), -1).flatten(1, 3))
        return torch.cat(decoded, 1)

    def predict(self, raw: Sequence[Tensor]) -> list[InstanceData]:
        """Detections of each image: `bboxes` xyxy in input pixels, `scores`, `labels`, by falling score."""
        return [select_detections(decoded, **self.test_cfg) for decoded in self.decode(raw)]


def _anchors(anchors: Sequence[Sequence[tuple[float, float]]]) -> Tensor:
    """(L, A, 2) width and height in pixels."""
    try:
        known = torch.tensor(anchors, dtype=torch.float32, device="cpu")  # whatever device the head is built on
    except (TypeError, ValueError):
        known = torch.empty(0, device="cpu")
    if known.ndim != 3 or known.shape[2] != 2 or not (known > 0).all() or not known.isfinite().all():
        raise UsageError(
            f"bbox_head.anchors={str(anchors)[:100]}: give as many (width, height) in pixels to each level, such as "
            "[[(10, 13), (16, 30)], [(30, 61), (62, 45)]]"
        )
    return torch.tensor(anchors, dtype=torch.float32)


def _check_options(test_cfg: dict) -> None:
    known = list(inspect.signature(select_detections).parameters)[1:]
    for name in test_cfg:
        if name not in known:
            raise UsageError(
                f"model.test_cfg takes no {name!r}; {suggest(name, known, 'it takes ' + ', '.join(known))}"
            )


def _build_loss(cfg: dict) -> nn.Module:
    """Builds a loss and refuses one of another kind now, not at the first batch."""
    module = MODELS.build(cfg)
    parameters = inspect.signature(module.forward).parameters.values()
    required = [parameter.name for parameter in parameters if parameter.default is parameter.empty]
    if len(required) != 1:
        raise UsageError(
            f"bbox_head.loss={cfg['type']!r} takes {', '.join(required)}, not one LossInput; set the terms of YOLOLoss "
            "(loss_box, loss_obj, loss_cls: iou, gamma, pos_weight ...), or write a loss by docs/extend.md"
        )
    return module
