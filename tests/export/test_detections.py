"""Final detections of a file are those that are chosen outside of it."""

from dataclasses import replace

import pytest
import torch
from tiny_exports import HW, pictures

from yolo_plugins.export import select
from yolo_plugins.export.detections import Detections
from yolo_plugins.export.select import rows_per_level


@pytest.mark.parametrize("name", ["onnx", "openvino", "torchscript", "torch_export"])
def test_a_file_of_nms_gives_the_boxes_of_select(network, metadata, reopened, name):
    selection = replace(metadata.selection, score_thr=0.05, iou_threshold=0.5, max_per_img=40)
    opened = reopened(Detections(network, selection, HW), name, nms=True, selection=selection)
    for images in pictures(3)[:, None]:
        with torch.no_grad():
            boxes, scores = (output[0] for output in network(torch.from_numpy(images)))
        expected = select(boxes, scores, selection, rows_per_level(network.levels, HW), HW)
        found_boxes, found_scores, labels = (torch.from_numpy(output)[0] for output in opened(images))
        count = int((found_scores > 0).sum())
        assert count == len(expected.scores) > 5
        assert torch.allclose(found_scores[:count], expected.scores, atol=1e-4)
        assert torch.allclose(found_boxes[:count], expected.bboxes, atol=1e-2)
        assert torch.equal(labels[:count], expected.labels)


def test_a_picture_without_detections_is_rows_of_score_0(network, metadata, reopened):
    selection = replace(metadata.selection, score_thr=0.9999)
    opened = reopened(Detections(network, selection, HW), "onnx", nms=True, selection=selection)
    boxes, scores, labels = opened(pictures(1))
    assert boxes.shape == (1, 300, 4) and labels.shape == (1, 300)
    assert not scores.any()
