"""Starting from the weights of other classes: which rows of a head are taken, which stay, what is told and refused."""

import pytest
import torch
from torch import nn

from yolo_plugins.checkpoints.read import check_fits
from yolo_plugins.checkpoints.transfer import match_classes, start_from
from yolo_plugins.config import load_config
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import MODELS

TINY = ["model.backbone.widen_factor=0.125", "model.neck.widen_factor=0.125"]
PREDICTORS = [f"bbox_head.predictors.{level}.{kind}" for level in range(3) for kind in ("weight", "bias")]
ANIMALS = ("cat", "dog", "tvmonitor")


def detector(num_classes, name="yolov5_n_voc", options=TINY):
    cfg = load_config(name, [*options, f"model.bbox_head.num_classes={num_classes}"]).model
    return MODELS.build(cfg), cfg


def checkpoint_of(model, classes=None):
    """Weights in which each number of a class tensor is its place, so that a row is known by its numbers."""
    weights = {key: torch.arange(float(value.numel())).view(value.shape) for key, value in model.state_dict().items()}
    return {"state_dict": weights} | ({"meta": {"dataset_meta": {"classes": classes}}} if classes else {})


@pytest.mark.parametrize(
    ("names", "classes", "places"),
    [
        (("cat", "dog"), ("dog", "cat"), [1, 0]),
        (("airplane", "potted plant", "tv"), ("tvmonitor", "pottedplant", "aeroplane"), [2, 1, 0]),
        (("Potted_Plant", "TRAFFIC LIGHT"), ("pottedplant", "traffic-light"), [0, 1]),
        (("couch", "sofa"), ("sofa", "couch"), [1, 0]),
        (("couch",), ("sofa", "couch"), [None, 0]),
        (("couch",), ("sofa", "settle"), [0, None]),
        (("airplane",), ("aeroplane", "plane"), [0, None]),
        (("猫", "犬"), ("犬", "猫"), [1, 0]),
        (("+", "-"), ("-", "+"), [1, 0]),
        ((), ("cat",), [None]),
    ],
)
def test_classes_are_matched_by_the_same_word_then_by_synonyms_each_once(names, classes, places):
    assert match_classes(names, classes, "file.pth") == places


@pytest.mark.parametrize("names", [("TV", "tv monitor"), ("tv", "tv")], ids=["synonyms", "twice the same"])
def test_two_names_for_one_class_are_refused(names):
    with pytest.raises(UsageError, match=f"its classes '{names[0]}' and '{names[1]}' both mean '(tvmonitor|tv)'"):
        match_classes(names, ("tvmonitor",) if names[0] == "TV" else ("tv",), "file.pth")
    assert match_classes(names, ("cat",), "file.pth") == [None]


def test_rows_of_a_yolo_head_move_by_name_and_new_classes_keep_the_prior():
    (source, _), (model, cfg) = detector(3), detector(2)
    checkpoint = checkpoint_of(source, ANIMALS)
    given, own = dict(checkpoint["state_dict"]), model.state_dict()
    sentence = start_from(checkpoint, model, cfg, ("tv", "screw"), "file.pth")
    assert sentence == (
        f"file.pth: {len(own)} tensors taken; classes taken by name: tv (tvmonitor); classes that start anew: screw"
    )
    found = checkpoint["state_dict"]
    check_fits(model, found, "file.pth")
    for key, value in found.items():
        if key not in PREDICTORS:
            assert value is given[key]
            continue
        new, old, initial = (tensor.unflatten(0, (3, -1)) for tensor in (value, given[key], own[key]))
        assert torch.equal(new[:, :5], old[:, :5])  # box and objectness
        assert torch.equal(new[:, 5], old[:, 5 + 2])
        assert torch.equal(new[:, 6], initial[:, 6])


@pytest.mark.parametrize(
    ("name", "anchors"), [("retinanet_resnet18_voc", 9), ("rtmdet_tiny_voc", 1), ("yolox_tiny_voc", 1)]
)
def test_rows_of_heads_of_mmdetection_move_by_name(name, anchors):
    (source, _), (model, cfg) = detector(3, name, []), detector(2, name, [])
    checkpoint = checkpoint_of(source, ANIMALS)
    given, own = dict(checkpoint["state_dict"]), model.state_dict()
    assert "tensors that start anew" not in start_from(checkpoint, model, cfg, ("dog", "screw"), "file.pth")
    check_fits(model, checkpoint["state_dict"], "file.pth")
    changed = [key for key, value in checkpoint["state_dict"].items() if value is not given[key]]
    assert changed
    for key in changed:
        new, old, initial = (
            tensor.unflatten(0, (anchors, -1)) for tensor in (checkpoint["state_dict"][key], given[key], own[key])
        )
        assert torch.equal(new[:, 0], old[:, 1])
        assert torch.equal(new[:, 1], initial[:, 1])


@MODELS.register_module()
class SoftmaxHead(nn.Module):
    """A class of its own for the background; class and background are not told apart by the shape."""

    def __init__(self, num_classes):
        super().__init__()
        self.fc = nn.Linear(2, num_classes + 1)


def test_tensors_of_another_layout_start_anew_and_are_named():
    source, model = SoftmaxHead(3), SoftmaxHead(2)
    checkpoint = checkpoint_of(source, ANIMALS)
    sentence = start_from(checkpoint, model, dict(type="SoftmaxHead", num_classes=2), ("dog", "screw"), "file.pth")
    assert sentence.endswith("tensors that start anew: fc.weight, fc.bias")
    assert sentence.startswith("file.pth: 0 tensors taken")
    assert torch.equal(checkpoint["state_dict"]["fc.weight"], model.fc.weight)


def test_without_names_another_number_of_classes_starts_anew_beside_box_and_objectness():
    (source, _), (model, cfg) = detector(3), detector(2)
    checkpoint = checkpoint_of(source)
    given = dict(checkpoint["state_dict"])
    sentence = start_from(checkpoint, model, cfg, ("screw", "nut"), "file.pth")
    assert sentence.endswith(
        "tensors taken; it has another number of classes and names none; classes that start anew: screw, nut"
    )
    new, old = (tensors[PREDICTORS[1]].unflatten(0, (3, -1)) for tensors in (checkpoint["state_dict"], given))
    assert torch.equal(new[:, :5], old[:, :5])


@pytest.mark.parametrize("names", [("screw", "nut"), None], ids=["the same names", "no names, as many"])
def test_nothing_starts_anew_without_a_reason(names):
    model, cfg = detector(2)
    checkpoint = checkpoint_of(model, names)
    weights = checkpoint["state_dict"]
    told = ", all 2 classes" if names else "; it names no classes: they are taken for those of the config, in their"
    assert told in start_from(checkpoint, model, cfg, ("screw", "nut"), "file.pth")
    assert checkpoint["state_dict"] is weights


def test_another_model_is_refused_whatever_its_classes():
    model, cfg = detector(2)
    wider = load_config("yolov5_n_voc").model
    checkpoint = checkpoint_of(MODELS.build(wider), ANIMALS)
    start_from(checkpoint, model, cfg, ("screw", "nut"), "file.pth")
    with pytest.raises(UsageError, match=r"file\.pth: not a checkpoint of this YOLODetector: \d+ of another shape"):
        check_fits(model, checkpoint["state_dict"], "file.pth")
