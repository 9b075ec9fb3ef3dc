"""Classes of checkpoints, models and data sets: which are taken, which are refused, what starts anew."""

import pytest
import torch
from torch import nn

from yolo_plugins.checkpoints.classes import check_class_names, check_num_classes, class_tensors
from yolo_plugins.config import load_config
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import MODELS

PREDICTORS = [f"bbox_head.predictors.{level}.{kind}" for level in range(3) for kind in ("weight", "bias")]
COLOURS = ("red", "green", "blue")


@pytest.mark.parametrize(
    ("content", "classes"),
    [
        ({"meta": {"dataset_meta": {"classes": COLOURS}}}, list(COLOURS)),
        ({"meta": {"dataset_meta": {"classes": list(COLOURS)}}}, COLOURS),
        ({"meta": {"family": "yolov5"}}, COLOURS),
        ({"meta": {"dataset_meta": None}}, COLOURS),
        ({"meta": {"dataset_meta": {"classes": COLOURS}}}, None),
        ({"stem.weight": torch.zeros(1)}, COLOURS),
    ],
    ids=["the same", "as a list", "official", "without data", "data without names", "bare weights"],
)
def test_the_same_names_and_files_without_names_are_taken(content, classes):
    check_class_names(content, classes, "file.pth")


@pytest.mark.parametrize(
    ("names", "classes", "told"),
    [
        (COLOURS, COLOURS[::-1], "its classes are red, green, blue, those of the config blue, green, red; give the"),
        (COLOURS, COLOURS[:2], "its classes are red, green, blue, those of the config red, green; give the"),
        (
            [f"c{number}" for number in range(80)],
            [f"c{number}" for number in range(78)] + ["x", "c79"],
            "its 80 classes are not the 80 of the config; number 79 is 'c78' there, 'x' in the config; give the config",
        ),
        (
            [f"c{number}" for number in range(20)],
            [f"c{number}" for number in range(19)],
            "its 20 classes are not the 19 of the config; number 20 is 'c19' there, missing in the config; give the",
        ),
    ],
    ids=["order", "number", "many", "many more"],
)
def test_other_names_are_refused_with_both_lists(names, classes, told):
    with pytest.raises(UsageError) as caught:
        check_class_names({"meta": {"dataset_meta": {"classes": names}}}, classes, "file.pth")
    assert str(caught.value).startswith(f"file.pth: {told}")


@pytest.mark.parametrize(
    ("name", "tensors", "rows"),
    [
        ("yolov5_n_voc", PREDICTORS, 3),
        ("yolov4_tiny_voc", PREDICTORS[:4], 3),
        ("retinanet_resnet18_voc", ["bbox_head.retina_cls.weight", "bbox_head.retina_cls.bias"], 9),
        (
            "rtmdet_tiny_voc",
            [f"bbox_head.rtm_cls.{level}.{kind}" for level in range(3) for kind in ("weight", "bias")],
            1,
        ),
    ],
)
def test_tensors_of_the_classes_are_found_in_any_model_with_the_rows_of_a_class(name, tensors, rows):
    cfg = load_config(name).model
    assert class_tensors(MODELS.build(cfg), cfg) == dict.fromkeys(tensors, rows)


def test_a_head_of_another_number_of_classes_than_the_data_is_refused():
    model = nn.Module()
    model.rpn_head, model.bbox_head = nn.Module(), nn.Module()
    model.rpn_head.num_classes, model.bbox_head.num_classes = 1, 3
    check_num_classes(model, COLOURS, "Colours")
    with pytest.raises(
        UsageError, match=r"model\.bbox_head\.num_classes=3, but Colours has 2 classes \(red, green\): set"
    ):
        check_num_classes(model, COLOURS[:2], "Colours")


@pytest.mark.parametrize("names", [3, "person", [1, 2], {"person": 0}])
def test_classes_that_are_no_names_are_refused(names):
    with pytest.raises(UsageError, match=r"file\.pth: its classes are .*, no list of names"):
        check_class_names({"meta": {"dataset_meta": {"classes": names}}}, ["person"], "file.pth")
