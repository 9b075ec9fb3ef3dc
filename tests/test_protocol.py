"""Recipes and protocols: what belongs to them, what does not, how a difference is told."""

import pytest
from mmengine.config import Config

from yolo_plugins.config import load_config, read_config
from yolo_plugins.files import REPO
from yolo_plugins.protocol import (
    config_recipe,
    continued,
    data_name,
    loss_name,
    may_be_same_data,
    pretraining_name,
    protocol_of,
    recipe_differences,
    sha256_of,
)


def protocol(*options, name="yolov5_n_voc"):
    return protocol_of(config_recipe(load_config(name, options)))


@pytest.mark.parametrize(
    "option",
    [
        *("data_root=elsewhere", "randomness.seed=7", "train_dataloader.num_workers=0", "model.test_cfg.score_thr=0.5"),
        *("default_hooks.checkpoint.interval=5", "train_cfg.val_interval=5", "log_level=ERROR", "vis_backends=None"),
        "test_dataloader.dataset.splits=['VOC2012/test']",
    ],
)
def test_what_says_where_and_how_or_what_the_model_is_stays_outside(option):
    assert protocol(option) == protocol()


@pytest.mark.parametrize(
    ("option", "key"),
    [
        ("img_size=640", "train_dataloader.dataset.img_size"),
        ("optim_wrapper.optimizer.lr=0.1", "optim_wrapper.optimizer.lr"),
        ("default_hooks.ema=None", "default_hooks.ema"),
        ("default_hooks.param_scheduler.peak=5.0", "default_hooks.param_scheduler.peak"),
        ("optim_wrapper.clip_grad=None", "optim_wrapper.clip_grad"),
        ("train_dataloader.dataset.pipeline.2.prob=0.5", "train_dataloader.dataset.pipeline.2.prob"),
        ("val_dataloader.dataset.splits=['VOC2012/test']", "val_dataloader.dataset.splits"),
        ("val_evaluator.mode=11points", "val_evaluator.mode"),
    ],
)
def test_what_changes_the_figures_is_part_and_is_named(option, key):
    first, *_ = recipe_differences(protocol(), protocol(option))
    assert first.startswith(key)
    assert sha256_of(protocol()) != sha256_of(protocol(option))


@pytest.mark.parametrize("path", sorted((REPO / "configs").glob("study_*.py")), ids=lambda path: path.stem)
def test_models_of_a_study_share_the_protocol(path):
    study = read_config(path)
    assert len({sha256_of(protocol(*study.get("options", []), name=name)) for name in study["runs"]}) == 1


def test_variables_of_an_author_are_no_part():
    base = {"model": {"type": "A"}, "train_cfg": {"type": "B"}}
    assert config_recipe(Config(base | {"my_lr": 0.1})) == config_recipe(Config(base))


def test_a_difference_shows_both_values_and_a_missing_key():
    assert recipe_differences({"a": 1, "b": "x"}, {"a": 2}) == ["a: 1 -> 2", 'b: "x" -> (missing)']
    assert recipe_differences({"b": 1, "a": (1)}, {"a": 1, "b": 1}) == []
    (long,) = recipe_differences({"a": ["x" * 50] * 9}, {"a": 1})
    assert len(long) < 100


def test_a_continued_recipe_keeps_its_first_weights_and_remembers_every_change():
    first = {"epochs": 9, "total_batch": 4, "initial_weights": {"load_from": "abc"}}
    now = {"epochs": 9, "total_batch": 4, "initial_weights": "none"}
    assert continued(first, now, 3) == (first, [])
    second, changes = continued(first, now | {"total_batch": 8}, 3)
    assert changes == ["total_batch: 4 -> 8"]
    third, _ = continued(second, now | {"total_batch": 4}, 5)
    assert third["changes"] == ["after epoch 3, total_batch: 4 -> 8", "after epoch 5, total_batch: 8 -> 4"]
    assert continued(third, now, 7) == (third, [])
    assert sha256_of(third) != sha256_of(first)


def test_losses_are_equal_where_everything_that_they_depend_on_is():
    head = {"type": "YOLOAnchorHead", "num_classes": 20, "loss": {"type": "YOLOLoss"}}
    model = {"type": "YOLODetector", "backbone": {"type": "A"}, "bbox_head": head}

    def name(model: dict, **keys) -> str:
        return loss_name({"model": model, **keys})

    assert name(model) == name(model | {"backbone": {"type": "B"}, "neck": {"type": "C"}})
    assert name(model) == name(model, multi_scale=0.5)
    for change in ({"loss": {"type": "YOLOLoss", "balance": [1, 1, 1]}}, {"assigner": {"type": "X"}}, {"type": "Y"}):
        assert name(model | {"bbox_head": head | change}) != name(model)
    assert name(model | {"train_cfg": {"assigner": {"type": "X"}}}) != name(model)
    assert name(model, class_weights="balanced") != name(model)
    assert name(model).startswith("YOLOAnchorHead ")


def test_a_name_of_data_is_equal_only_for_equal_data():
    facts = {"classes": ["cat"], "train_objects": "a" * 64, "val_objects": "b" * 64}
    stated = data_name(protocol())
    recorded = data_name(protocol() | facts)
    assert stated == "VOC VOC2007/train+VOC2012/train > VOC2007/test"
    assert recorded is not None and recorded.startswith(f"{stated} ") and len(recorded) == len(stated) + 9
    for change in ({"classes": ["dog"]}, {"train_objects": "c" * 64}, {"val_objects": "c" * 64}):
        other = data_name(protocol() | facts | change)
        assert other is not None and not may_be_same_data(recorded, other)
        assert may_be_same_data(stated, other)
    assert data_name(protocol("train_dataloader.dataset.indices=64")) == f"{stated}, 64 pictures"
    assert data_name(protocol(name="yolov5_n_coco")) == "COCO 2017"
    assert not may_be_same_data(stated, "COCO 2017")
    assert data_name({"train_dataloader.dataset.type": "mmdet.RepeatDataset"}) is None


@pytest.mark.parametrize(
    ("weights", "name"),
    [
        ("none", "none"),
        ({"backbone": "1f2a3b4c" * 8}, "backbone 1f2a3b4c"),
        (
            {"load_from": "1f2a3b4c" * 8, "neck": "torchvision://resnet50"},
            "load_from 1f2a3b4c, neck torchvision://resnet50",
        ),
    ],
)
def test_what_a_training_began_with_has_a_name(weights, name):
    assert pretraining_name({"initial_weights": weights}) == name
    assert pretraining_name({}) is None
