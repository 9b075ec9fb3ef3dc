"""Anchor head of YOLOv5 and Scaled-YOLOv4: one 1x1 convolution a level, and the wiring around it.

Source: docs/models.md, measured on the released models. Assignment, decoding and weighing live in the assigner, the
coder and the loss that the config names.
"""

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor, nn

from yolo_plugins.errors import UsageError
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


class _Pick(torch.autograd.Function):
    """Takes all objectness logits and the positive rows in float32, with one dense gradient a level for both.

    Autograd's own indexing would fill and add two maps of every level's size.
    """

    @staticmethod
    def forward(ctx: Any, positives: Sequence[tuple[Tensor, ...]], *levels: Tensor) -> tuple[Tensor, Tensor]:
        """Four (n_l,) indices a level and levels (N, A, H_l, W_l, 5+K) -> (P,) and (R, 5+K), level by level."""
        ctx.positives, ctx.levels = positives, [level.detach() for level in levels]
        obj_logits = torch.cat([level[..., 4].flatten() for level in levels]).float()
        rows = torch.cat([level[index] for level, index in zip(levels, positives, strict=True)]).float()
        return obj_logits, rows

    @staticmethod
    def backward(ctx: Any, obj_gradient: Tensor, row_gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of both outputs -> gradients of the levels; repeated rows add up."""
        obj_parts = obj_gradient.split([level[..., 4].numel() for level in ctx.levels])
        row_parts = row_gradient.split([len(index[0]) for index in ctx.positives])
        gradients = []
        for level, index, obj_part, row_part in zip(ctx.levels, ctx.positives, obj_parts, row_parts, strict=True):
            gradient = torch.zeros_like(level)
            gradient[..., 4] = obj_part.view(level.shape[:-1])
            gradients.append(gradient.index_put_(index, row_part.to(gradient), accumulate=True))
        return None, *gradients


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
        loss: Config of the loss.
        class_prior_offset: The prior of a class is 0.6 / (classes - this): 0.99999 in YOLOv5, 0.99 in Scaled-YOLOv4.
        test_cfg: Arguments of `select_detections`.
        init_cfg: MMEngine initialisation config.

    Raises:
        UsageError: Anchors, channels and strides differ in their number of levels.
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
        if not len(anchors) == len(in_channels) == len(strides):
            raise UsageError(
                f"{len(anchors)} levels of anchors for {len(in_channels)} maps of strides {list(strides)}; "
                "give one list of anchors for each level"
            )
        self.num_classes = num_classes
        self.strides = list(strides)
        self.register_buffer("anchors", torch.tensor(anchors, dtype=torch.float32), persistent=False)  # (L, A, 2)
        self.outputs_per_anchor = 5 + num_classes
        self.predictors = nn.ModuleList(
            nn.Conv2d(channels, self.anchors.shape[1] * self.outputs_per_anchor, 1) for channels in in_channels
        )
        self.assigner = TASK_UTILS.build(assigner)
        self.bbox_coder = TASK_UTILS.build(bbox_coder)
        self.loss_module = MODELS.build(loss)
        self.test_cfg = test_cfg or {}
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
            outputs.append(y.view(n, -1, self.outputs_per_anchor, h, w).permute(0, 1, 3, 4, 2))
        return tuple(outputs)

    def loss(self, raw: Sequence[Tensor], targets: Tensor, input_hw: tuple[int, int]) -> dict[str, Tensor]:
        """Loss terms, means over the batch with gains.

        Args:
            raw: Outputs of `forward`.
            targets: (M, 6) image, class, x1, y1, x2, y2 in input pixels.
            input_hw: Height and width of the network's input in pixels.

        Returns:
            Scalars `box`, `obj`, `cls`.
        """
        sizes_wh = targets.new_tensor([[level.shape[3], level.shape[2]] for level in raw])
        assigned = self.assigner.assign(targets, self.anchors, targets.new_tensor(self.strides), sizes_wh)
        index = torch.stack((assigned.images, assigned.anchors, assigned.rows, assigned.columns))  # (4, R)
        rows_per_level = torch.bincount(assigned.levels, minlength=len(raw)).tolist()
        positives = [tuple(part) for part in index.split(rows_per_level, 1)]
        obj_logits, rows = _Pick.apply(positives, *raw)
        bboxes = self.bbox_coder.decode(rows[:, :4], 0.0, assigned.anchors_wh, 1.0)
        cells_per_level = [level[..., 4].numel() for level in raw]
        return self.loss_module(
            obj_logits,
            bboxes,
            rows[:, 5:],
            self._flat_index(assigned, sizes_wh.long(), cells_per_level),
            assigned.bboxes_cxcywh,
            assigned.labels,
            cells_per_level,
            input_hw,
        )

    def _flat_index(self, assigned: Assignment, sizes_wh: Tensor, cells_per_level: Sequence[int]) -> Tensor:
        """(R,) place of each positive row among the objectness logits of all levels."""
        start = torch.tensor([0, *accumulate(cells_per_level[:-1])], device=sizes_wh.device)
        width, height = sizes_wh[assigned.levels].unbind(1)
        plane = assigned.images * self.anchors.shape[1] + assigned.anchors
        return start[assigned.levels] + (plane * height + assigned.rows) * width + assigned.columns

    def decode(self, raw: Sequence[Tensor]) -> Tensor:
        """Raw outputs of all levels -> (N, P, 5 + K): cx, cy, w, h in input pixels, then probabilities.

        P runs level by level, then over anchors, rows and columns.
        """
        decoded = []
        for level, anchors, stride in zip(raw, self.anchors, self.strides, strict=True):
            n, _, h, w, outputs = level.shape
            rows, columns = torch.meshgrid(
                torch.arange(h, device=level.device), torch.arange(w, device=level.device), indexing="ij"
            )
            cells = torch.stack((columns, rows), -1)  # (H, W, 2)
            level = level.float()
            bboxes = self.bbox_coder.decode(level[..., :4], cells, anchors[:, None, None], stride)
            # (N, A, H, W, 5+K) -> (N, A*H*W, 5+K)
            decoded.append(torch.cat((bboxes, level[..., 4:].sigmoid()), -1).view(n, -1, outputs))
        return torch.cat(decoded, 1)

    def predict(self, raw: Sequence[Tensor]) -> list[InstanceData]:
        """Detections of each image: `bboxes` xyxy in input pixels, `scores`, `labels`, by falling score."""
        return [select_detections(decoded, **self.test_cfg) for decoded in self.decode(raw)]
