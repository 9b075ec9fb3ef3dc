"""A detector as one function of pixels: normalisation inside, and refused where it cannot be one."""

import pytest
import torch
from mmdet.models import DetDataPreprocessor
from mmdet.models.dense_heads import RetinaHead
from mmengine.config import ConfigDict
from mmengine.hub import get_config
from tiny_exports import HW, built, pictures
from torch import nn

from yolo_plugins.config import load_config
from yolo_plugins.errors import UsageError
from yolo_plugins.export import Exportable
from yolo_plugins.export.heads import check_head, decode
from yolo_plugins.registry import MODELS


@pytest.mark.parametrize("reverses", [False, True])
def test_mean_and_deviation_of_mmdetection_are_inside(reverses):
    mean, std = [103.5, 116.3, 123.7], [57.4, 57.1, 58.4]
    preprocessor = dict(type="mmdet.DetDataPreprocessor", mean=mean, std=std, bgr_to_rgb=reverses)
    detector = built(data_preprocessor=preprocessor)
    images = torch.from_numpy(pictures(2))
    with torch.no_grad():
        inputs = detector.data_preprocessor({"inputs": list(images)})["inputs"]
        boxes, scores = decode(detector.bbox_head, detector.extract_feat(inputs))
        found_boxes, found_scores = Exportable(detector, HW)(images)
    assert torch.allclose(found_boxes, boxes, atol=1e-2)
    assert torch.allclose(found_scores, scores, atol=1e-5)


def test_what_does_more_to_a_pixel_is_refused():
    class Squares(DetDataPreprocessor):
        def forward(self, data, training=False):
            return {"inputs": torch.stack([picture.float() ** 2 for picture in data["inputs"]])}

    detector = built()
    detector.data_preprocessor = Squares()
    with pytest.raises(UsageError, match=r"^Squares does more to a pixel than .*; take YOLODataPreprocessor$"):
        Exportable(detector, HW)


def test_a_head_that_decodes_its_own_way_is_refused():
    class OwnWay(RetinaHead):
        def predict_by_feat(self, *args, **kwargs):
            raise NotImplementedError

    detector = MODELS.build(load_config("retinanet_resnet18_voc").model)
    detector.bbox_head.__class__ = OwnWay
    with pytest.raises(UsageError, match=r"^OwnWay decodes in a way of its own, and cannot be exported; take another$"):
        check_head(detector)


def test_a_head_of_ours_without_decode_is_named():
    detector = nn.Module()
    detector.bbox_head, detector.extract_feat = nn.Identity(), None
    with pytest.raises(
        UsageError, match=r"^Identity has no method decode\(raw\), and cannot be exported; give it one$"
    ):
        check_head(detector)


def test_a_detector_of_two_stages_is_refused():
    model = get_config("mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py").model
    model.backbone.init_cfg = None
    with pytest.raises(UsageError, match=r"^FasterRCNN is no single-stage detector with a dense head, [^\n]*$"):
        check_head(MODELS.build(ConfigDict({**model, "type": "mmdet.FasterRCNN"})))
