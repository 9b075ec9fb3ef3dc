"""Starting from the weights of other classes: which rows of a head are taken, which stay, what is told and refused."""

import pytest
import torch
from torch import nn

from yolo_plugins.checkpoints.transfer import fit, match_classes
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


def start(checkpoint, model, cfg, classes, training=True, **config):
    return fit(checkpoint, model, dict(model=cfg, **config), classes, "file.pth", training, by_name=True)


def test_rows_of_a_yolo_head_move_by_name_and_new_classes_keep_the_prior():
    (source, _), (model, cfg) = detector(3), detector(2)
    checkpoint = checkpoint_of(source, ANIMALS)
    given, own = checkpoint["state_dict"], model.state_dict()
    found = start(checkpoint, model, cfg, ("tv", "screw"))
    assert found.told == [
        f"file.pth: {len(own)} tensors taken; classes taken by name: tv (tvmonitor); classes that start anew: screw"
    ]
    assert found.taken == given
    for key, value in found.weights.items():
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
    given, own = checkpoint["state_dict"], model.state_dict()
    found = start(checkpoint, model, cfg, ("dog", "screw"))
    assert "tensors that start anew" not in found.told[0]
    changed = [key for key, value in found.weights.items() if value is not given[key]]
    assert changed
    for key in changed:
        new, old, initial = (
            tensor.unflatten(0, (anchors, -1)) for tensor in (found.weights[key], given[key], own[key])
        )
        assert torch.equal(new[:, 0], old[:, 1])
        assert torch.equal(new[:, 1], initial[:, 1])


@MODELS.register_module()
class SoftmaxHead(nn.Module):
    """One row for the background; class and background are not told apart by the shape."""

    def __init__(self, num_classes):
        super().__init__()
        self.fc = nn.Linear(2, num_classes + 1)


def test_tensors_of_another_layout_start_anew_and_are_named():
    source, model = SoftmaxHead(3), SoftmaxHead(2)
    cfg = dict(type="SoftmaxHead", num_classes=2)
    found = start(checkpoint_of(source, ANIMALS), model, cfg, ("dog", "screw"))
    assert found.told[0].startswith("file.pth: 0 tensors taken")
    assert found.told[0].endswith("tensors that start anew: fc.weight, fc.bias")
    assert torch.equal(found.weights["fc.weight"], model.fc.weight)


def test_without_names_another_number_of_classes_starts_anew_beside_box_and_objectness():
    (source, _), (model, cfg) = detector(3), detector(2)
    checkpoint = checkpoint_of(source)
    found = start(checkpoint, model, cfg, ("screw", "nut"))
    assert found.told[0].endswith(
        "tensors taken; it has another number of classes and names none; classes that start anew: screw, nut"
    )
    new, old = (tensors[PREDICTORS[1]].unflatten(0, (3, -1)) for tensors in (found.weights, checkpoint["state_dict"]))
    assert torch.equal(new[:, :5], old[:, :5])


@pytest.mark.parametrize("names", [("screw", "nut"), None], ids=["the same names", "no names, as many"])
def test_nothing_starts_anew_without_a_reason(names):
    model, cfg = detector(2)
    checkpoint = checkpoint_of(model, names)
    told = "; all 2 classes" if names else "; it names no classes: they are taken for those of the config, in their"
    found = start(checkpoint, model, cfg, ("screw", "nut"))
    assert told in found.told[0]
    assert found.weights == checkpoint["state_dict"]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (ANIMALS, "its classes are cat, dog, tvmonitor, none of the config's"),
        (None, "it names no classes, none of the config's"),
    ],
)
def test_a_test_needs_a_class_that_is_known(names, told):
    (source, _), (model, cfg) = detector(3), detector(2)
    with pytest.raises(UsageError, match=rf"file\.pth: {told} \(screw, nut\)"):
        start(checkpoint_of(source, names), model, cfg, ("screw", "nut"), training=False)


def test_another_model_is_refused_whatever_its_classes():
    model, cfg = detector(2)
    wider = load_config("yolov5_n_voc").model
    with pytest.raises(UsageError, match=r"file\.pth: not a checkpoint of this YOLODetector: \d+ of another shape"):
        start(checkpoint_of(MODELS.build(wider), ANIMALS), model, cfg, ("screw", "nut"))


# --- in part


def test_another_backbone_is_refused_with_the_hint_of_partial():
    (source, _), (model, cfg) = detector(2), detector(2, "yolov5_resnet18_voc", TINY[1:])
    with pytest.raises(UsageError, match=r"or add --partial, which takes what fits$"):
        start(checkpoint_of(source, ANIMALS[:2]), model, cfg, ANIMALS[:2])


def test_in_part_neck_and_head_are_taken_and_what_is_not_is_named():
    (source, _), (model, cfg) = detector(3), detector(2, "yolov5_resnet18_voc", TINY[1:])
    checkpoint = checkpoint_of(source, ANIMALS)
    given, own = checkpoint["state_dict"], model.state_dict()
    found = start(checkpoint, model, cfg, ("dog", "screw"), partial=True)
    backbone = sum(key.startswith("backbone.") for key in own)
    assert len(found.told) == 2
    assert f"by part: backbone none of {backbone} tensors; neck " in found.told[1]
    assert "not neck.laterals.0.conv.weight, neck.top_down.0.main.conv.weight," in found.told[1]
    assert found.told[1].endswith("; bbox_head 6 of 6 tensors")
    assert found.weights.keys() == own.keys()
    assert not any(key.startswith("backbone.") for key in found.taken)
    for key, value in found.weights.items():
        if key not in PREDICTORS:
            assert torch.equal(value, given[key] if key in found.taken else own[key])
    new, old = (tensors[PREDICTORS[0]].unflatten(0, (3, -1)) for tensors in (found.weights, given))
    assert torch.equal(new[:, 5], old[:, 5 + 1])


def test_a_backbone_that_fits_by_chance_in_places_is_not_taken():
    (source, _), (model, cfg) = detector(2), detector(2, options=["model.neck.widen_factor=0.125"])
    found = start(checkpoint_of(source, ANIMALS[:2]), model, cfg, ANIMALS[:2], partial=True)
    assert not any(key.startswith("backbone.") for key in found.taken)
    assert any(key.startswith("neck.") for key in found.taken)


def test_where_nothing_fits_in_part_it_is_refused():
    model, cfg = detector(2)
    with pytest.raises(UsageError, match=r"backbone none of .* bbox_head none of 6 tensors; give the weights"):
        start({"state_dict": {"x": torch.zeros(1)}}, model, cfg, ANIMALS[:2], partial=True)


# --- what goes with the weights


def beside(model, names=ANIMALS[:2], **stated):
    checkpoint = checkpoint_of(model, names)
    checkpoint["meta"] |= stated
    return checkpoint


WIDE = [[[12.0, 50.0], [13.0, 92.0], [39.0, 33.0]], *[[[40.0, 24.0], [200.0, 7.5], [49.0, 75.0]]] * 2]


@pytest.mark.parametrize("states", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_anchors_of_the_file_are_taken_unless_a_training_states_its_own(training, states):
    model, cfg = detector(2)
    own = model.bbox_head.anchors.clone()
    if states:
        cfg.bbox_head.anchors = own.tolist()
    told = start(beside(model, anchors=WIDE), model, cfg, ANIMALS[:2], training).told[-1]
    if training and states:
        assert "its anchors were [[(12.0, 50.0)," in told
        assert torch.equal(model.bbox_head.anchors, own)
    else:
        assert "its anchors are taken, in place of the config's: model.bbox_head.anchors=[[(12.0, 50.0)," in told
        assert torch.equal(model.bbox_head.anchors, torch.tensor(WIDE))


def test_anchors_that_differ_by_the_rounding_of_halves_are_the_same():
    model, cfg = detector(2)
    own = model.bbox_head.anchors.clone()
    checkpoint = beside(model, anchors=(own * 1.0005).tolist())
    assert len(start(checkpoint, model, cfg, ANIMALS[:2]).told) == 1
    assert torch.equal(model.bbox_head.anchors, own)


@pytest.mark.parametrize("anchors", ["x", [[1, 2]], [[[0.0, 1.0]] * 3] * 3, [[[float("nan")] * 2] * 3] * 3, WIDE[:2]])
def test_anchors_that_are_none_of_the_model_are_refused(anchors):
    model, cfg = detector(2)
    with pytest.raises(UsageError, match=r"its anchors are .*, not \(width, height\) of 3 on each of 3 levels"):
        start(beside(model, anchors=anchors), model, cfg, ANIMALS[:2])


@pytest.mark.parametrize(("eps", "sentences"), [(1e-3, 1), (1e-5, 2), ("x", 1), (None, 1)])
def test_another_epsilon_of_the_norms_is_told(eps, sentences):
    model, cfg = detector(2)
    told = start(beside(model, norm_eps=eps), model, cfg, ANIMALS[:2]).told
    assert len(told) == sentences
    assert sentences == 1 or "its norms add 1e-05 to the variance, those of the config 0.001: set eps=1e-05" in told[1]
