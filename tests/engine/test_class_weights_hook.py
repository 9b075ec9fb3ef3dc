"""Weights of classes: what each way of giving them comes to, and what is refused."""

from types import SimpleNamespace

import pytest
import torch

from yolo_plugins.engine.class_weights_hook import ClassWeightsHook, weights_of_classes
from yolo_plugins.errors import UsageError
from yolo_plugins.models.losses import YOLOLoss

LABELS = [[0, 0, 0], [], [0, 0, 0, 1], [1]]  # six cats, two dogs, no cow


class Data:
    metainfo = {"classes": ("cat", "dog", "cow")}  # noqa: RUF012

    def __len__(self) -> int:
        return len(LABELS)

    def get_cat_ids(self, index: int) -> list[int]:
        return LABELS[index]


def test_balanced_weights_make_classes_equal_and_leave_the_mean_over_objects_at_one():
    cat, dog, cow = weights_of_classes("balanced", Data())
    assert cat * 6 == dog * 2
    assert cat * 6 + dog * 2 == pytest.approx(8)
    assert cow > 0


def test_a_list_goes_by_place_and_a_dict_by_name():
    assert weights_of_classes([1, 2, 0.5], Data()) == [1, 2, 0.5]
    assert weights_of_classes({"cow": 3}, Data()) == [1, 1, 3]


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ([1, 2], "^class_weights has 2 numbers for 3 classes; give one for each, or a dict by name$"),
        ({"cta": 2}, "^class_weights: 'cta' is no class of the data; did you mean 'cat'"),
    ],
)
def test_weights_that_do_not_fit_the_classes_are_refused(weights, sentence):
    with pytest.raises(UsageError, match=sentence):
        weights_of_classes(weights, Data())


def test_the_hook_gives_the_loss_its_weights():
    head = torch.nn.Conv2d(1, 1, 1)
    head.loss_module = YOLOLoss()
    model = torch.nn.Module()
    model.bbox_head = head
    runner = SimpleNamespace(model=model, train_dataloader=SimpleNamespace(dataset=Data()))
    ClassWeightsHook({"dog": 2}).before_train(runner)
    assert head.loss_module.class_weights.tolist() == [1, 2, 1]
    assert not head.loss_module.state_dict()  # no part of a checkpoint


def test_a_head_with_another_loss_is_refused(make_runner):
    with pytest.raises(UsageError, match=r"^class_weights='balanced': ToyHead takes none, only YOLOLoss does; remove"):
        make_runner(class_weights="balanced").train()
