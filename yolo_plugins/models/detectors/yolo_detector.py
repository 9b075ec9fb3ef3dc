"""The one place where backbone, neck and head meet.

Source: design of MMDetection's single-stage detectors. Channels and strides are read from the built parts, so that a
config never types them twice.
"""

from collections.abc import Callable, Sequence
from typing import Any

from mmdet.structures import DetDataSample
from mmengine.dist import get_world_size
from mmengine.model import BaseModel
from torch import Tensor

from yolo_plugins.errors import UsageError
from yolo_plugins.models.detectors.onednn_guard import guard_strided_1x1
from yolo_plugins.models.detectors.wiring import build_backbone, build_head, build_neck, is_mmdet_head
from yolo_plugins.models.layers import Freezable
from yolo_plugins.registry import MODELS
from yolo_plugins.structures import stack_targets

_PREPROCESSOR = dict(type="YOLODataPreprocessor")


@MODELS.register_module(name=["YOLODetector", "SingleStageDetector"])
class YOLODetector(Freezable, BaseModel):
    """Backbone -> neck -> head, each ours or MMDetection's (`mmdet.FPN`, `mmdet.YOLOXHead`).

    It speaks as MMDetection's detectors do, but does not extend their base class: that would load all of its models.

    Args:
        backbone: Config of a backbone that states `out_channels` and `out_strides`.
        neck: Config of a neck, without `in_channels`; None for a head right on the backbone's maps.
        bbox_head: Config of a head, without `in_channels` and `strides`.
        freeze: What of the backbone stays as it is: "backbone" all of it, a number as many of its first stages and what
            comes before them (`frozen_stages` of the backbone), None nothing.
        norm_eval: Whether all batch norms keep their running statistics in training.
        data_preprocessor: Config of the data preprocessor.
        train_cfg: What MMDetection's heads want for training: the assigner.
        test_cfg: Arguments of the selection of detections, given to the head.
        init_cfg: MMEngine initialisation config.

    Attributes:
        strides: Input pixels per cell of the head's maps, fine to coarse.
        undoes_padding: That predicted boxes are moved by the padding that a letterbox put before the picture.
    """

    undoes_padding = True
    backbone: Any  # what a registry builds
    neck: Any
    bbox_head: Any

    def __init__(
        self,
        backbone: dict,
        neck: dict | Sequence[dict] | None = None,
        bbox_head: dict | None = None,
        freeze: int | str | None = None,
        norm_eval: bool = False,
        data_preprocessor: dict = _PREPROCESSOR,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(MODELS.build(data_preprocessor), init_cfg)
        if bbox_head is None:
            raise UsageError("model.bbox_head is missing; write for example bbox_head=dict(type='YOLOAnchorHead', ...)")
        self.backbone = build_backbone(backbone, freeze)
        self.norm_eval = norm_eval
        self.neck, channels, self.strides = build_neck(neck, self.backbone.out_channels, self.backbone.out_strides)
        self.bbox_head = build_head(bbox_head, channels, self.strides, train_cfg, test_cfg)
        guard_strided_1x1(self)

    @property
    def num_classes(self) -> int:
        """Classes that the head predicts, without background."""
        return self.bbox_head.num_classes

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) in 0..1 -> the neck's maps, fine to coarse.

        Raises:
            UsageError: A stride of the backbone does not divide the input size.
        """
        h, w = batch_inputs.shape[-2:]
        largest = max(self.backbone.out_strides)
        if h % largest or w % largest:
            height, width = (max(int(side / largest + 0.5), 1) * largest for side in (h, w))  # nearest, larger of two
            raise UsageError(
                f"input size {h}x{w} (height x width) is not a multiple of the largest stride {largest}; "
                f"use img_size={height if height == width else (height, width)}"
            )
        return self.neck(self.backbone(batch_inputs))

    def forward(self, inputs: Tensor, data_samples: Any = None, mode: str = "tensor") -> Any:
        """What `loss` or `predict` gives, by `mode`; or, of "tensor", the head's raw outputs."""
        modes: dict[str, Callable[..., Any]] = {"loss": self.loss, "predict": self.predict, "tensor": self._forward}
        return modes[mode](inputs, data_samples)

    def _forward(self, batch_inputs: Tensor, batch_data_samples: object = None) -> tuple[Tensor, ...]:
        """(N, 3, H, W) in 0..1 -> the head's raw outputs, fine to coarse, (N, A, H_i, W_i, 5 + K)."""
        return self.bbox_head(self.extract_feat(batch_inputs))

    def loss(self, batch_inputs: Tensor, batch_data_samples: Tensor | Sequence[DetDataSample]) -> dict[str, Tensor]:
        """Loss of one batch.

        Args:
            batch_inputs: (N, 3, H, W) in 0..1.
            batch_data_samples: (M, 6) image, class, x1, y1, x2, y2 in input pixels, or data samples.

        Returns:
            `loss`, to be back-propagated: the sum of the terms times the images of all ranks (gradients are summed
            over images, and ranks average them); `loss_NAME` of each term that the head's loss gives, detached. Of a
            head of MMDetection what it returns, to be summed as it is.
        """
        if is_mmdet_head(self.bbox_head):
            return self.bbox_head.loss(self.extract_feat(batch_inputs), batch_data_samples)
        targets = stack_targets(batch_data_samples)
        terms = self.bbox_head.loss(self._forward(batch_inputs), targets, tuple(batch_inputs.shape[-2:]))
        images = len(batch_inputs) * get_world_size()
        logged = {f"loss_{name}": term.detach() for name, term in terms.items()}
        return dict(loss=sum(terms.values()) * images, **logged)

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """(what is back-propagated, what is logged): where `loss` has summed the terms, MMEngine's sum is not taken."""
        return (losses["loss"], losses) if "loss" in losses else super().parse_losses(losses)

    def predict(
        self, batch_inputs: Tensor, batch_data_samples: Sequence[DetDataSample], rescale: bool = True
    ) -> list[DetDataSample]:
        """Detections of one batch.

        Args:
            batch_inputs: (N, 3, H, W) in 0..1.
            batch_data_samples: Samples whose metainfo holds `ori_shape`, `scale_factor` and `pad_param`.
            rescale: Whether boxes are given in original-image pixels, clipped to the image, instead of input pixels.

        Returns:
            The samples with `pred_instances`: `bboxes` (k, 4) xyxy, `scores` (k,), `labels` (k,).
        """
        if is_mmdet_head(self.bbox_head):
            results = self.bbox_head.predict(self.extract_feat(batch_inputs), batch_data_samples, rescale=False)
        else:
            results = self.bbox_head.predict(self._forward(batch_inputs))
        for result, sample in zip(results, batch_data_samples, strict=True):
            # some of MMDetection's coders have a class of boxes of their own
            bboxes = getattr(result.bboxes, "tensor", result.bboxes)
            result.bboxes = to_original(bboxes, sample) if rescale else bboxes
            sample.pred_instances = result
        return list(batch_data_samples)


def to_original(bboxes: Tensor, sample: DetDataSample, clip: bool = True) -> Tensor:
    """Boxes of the letterboxed picture in pixels of the original.

    YOLOv5 v7.0 divides both axes by the factor of the height; with the factor of each axis, as here, the way there and
    back is the identity also when rounding made the two differ.

    Args:
        bboxes: (k, 4) xyxy in input pixels.
        sample: Its metainfo holds `ori_shape` (h, w), `scale_factor` (x, y), `pad_param` (top, bottom, left, right).
        clip: Whether they are clipped to the original.

    Returns:
        (k, 4) xyxy.
    """
    top, _, left, _ = sample.pad_param
    scale_w, scale_h = sample.scale_factor
    h, w = sample.ori_shape
    offset, scale = bboxes.new_tensor((left, top) * 2), bboxes.new_tensor((scale_w, scale_h) * 2)
    bboxes = (bboxes - offset) / scale
    return bboxes.clamp(min=0).minimum(bboxes.new_tensor((w, h) * 2)) if clip else bboxes
