"""A config and weights become a detector; its boxes are in pixels of the picture."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from yolo_plugins import inference
from yolo_plugins.config import load_config
from yolo_plugins.errors import UsageError
from yolo_plugins.models.detectors.yolo_detector import to_original

CLASSES = ("screw", "nut")


def test_weights_of_other_classes_are_refused(tiny_config, tiny_checkpoint):
    other = deepcopy(tiny_config)
    other.test_dataloader.dataset.metainfo = dict(classes=CLASSES[::-1])
    with pytest.raises(
        UsageError, match=r"tiny\.pth: its classes are screw, nut, those of the config nut, screw; give"
    ):
        inference.load_detector(other, tiny_checkpoint)
    other.test_dataloader.dataset.metainfo = dict(classes=(*CLASSES, "bolt"))
    with pytest.raises(UsageError, match=r"model\.bbox_head\.num_classes=2, but VOCDataset has 3 classes"):
        inference.load_detector(other, tiny_checkpoint)


def test_class_names_are_those_of_the_data_set_unless_the_config_states_others(tiny_config):
    assert tuple(inference.class_names(tiny_config)) == CLASSES
    assert inference.class_names(load_config("yolov5_n_voc"))[14] == "person"


@pytest.mark.parametrize("hw", [(40, 60), (30, 200), (200, 30), (64, 96), (500, 375)])
def test_a_box_comes_back_through_an_input_that_is_not_square(tiny_config, hw):
    sample = inference.test_pipeline(tiny_config)(
        dict(img=np.zeros((*hw, 3), np.uint8), img_shape=hw, ori_shape=hw, img_id="", img_path="")
    )
    assert sample["inputs"].shape == (3, 64, 96)
    known = sample["data_samples"]
    top, bottom, left, right = known.pad_param
    inner = torch.tensor([[left, top, 96 - right, 64 - bottom]], dtype=torch.float32)
    torch.testing.assert_close(to_original(inner, known), torch.tensor([[0.0, 0, hw[1], hw[0]]]), atol=1e-4, rtol=0)
    bbox = torch.tensor([[3.0, 7.0, 21.0, 29.0]])
    scale, offset = torch.tensor(known.scale_factor).repeat(2), torch.tensor([left, top]).repeat(2)
    torch.testing.assert_close(to_original(bbox * scale + offset, known), bbox, atol=1e-4, rtol=0)
