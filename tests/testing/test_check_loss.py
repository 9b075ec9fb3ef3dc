"""A sound loss passes; each planted fault is told in a sentence of its own."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from yolo_plugins.errors import UsageError
from yolo_plugins.testing import check_loss


class Sound(nn.Module):
    """Mean distance, objectness and class entropy; what the faulty ones below have in common."""

    def forward(self, inputs):
        rows = max(len(inputs.labels), 1)
        is_object = torch.zeros_like(inputs.obj_logits).index_fill(0, inputs.positives, 1)
        return dict(
            l1=functional.l1_loss(inputs.bboxes_cxcywh, inputs.target_cxcywh, reduction="sum") / rows,
            objectness=functional.binary_cross_entropy_with_logits(inputs.obj_logits, is_object),
            entropy=functional.cross_entropy(inputs.cls_logits, inputs.labels, reduction="sum") / rows,
        )


class Learned(Sound):
    """Weights of the terms that are learned."""

    def __init__(self) -> None:
        super().__init__()
        self.logs = nn.Parameter(torch.zeros(3))

    def forward(self, inputs):
        terms = super().forward(inputs)
        return {name: term * (-log).exp() + log for (name, term), log in zip(terms.items(), self.logs, strict=True)}


class ReturnsTheSum(Sound):
    def forward(self, inputs):
        return sum(super().forward(inputs).values())


class ReturnsNumbers(Sound):
    def forward(self, inputs):
        return {name: term.item() for name, term in super().forward(inputs).items()}


class ReturnsRows(Sound):
    def forward(self, inputs):
        return super().forward(inputs) | dict(l1=(inputs.bboxes_cxcywh - inputs.target_cxcywh).abs().sum(1))


class ChangesItsInput(Sound):
    def forward(self, inputs):
        inputs.target_cxcywh.add_(0.1)
        return super().forward(inputs)


class DetachesBoxes(Sound):
    def forward(self, inputs):
        return super().forward(replace(inputs, bboxes_cxcywh=inputs.bboxes_cxcywh.detach()))


class UnusedParameter(Learned):
    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(3))


class MeansOfNothing(Sound):
    def forward(self, inputs):
        return super().forward(inputs) | dict(l1=functional.l1_loss(inputs.bboxes_cxcywh, inputs.target_cxcywh))


class MeansOfEachLevel(Sound):
    def forward(self, inputs):
        distance = (inputs.bboxes_cxcywh - inputs.target_cxcywh).abs().mean(1)
        levels = inputs.levels.max() + 1 if len(inputs.levels) else 0
        means = [distance[inputs.levels == level].mean() for level in range(levels)]
        return super().forward(inputs) | dict(l1=sum(means, inputs.bboxes_cxcywh.sum() * 0))


class SquareRootOfDistance(Sound):
    def forward(self, inputs):
        distance = (inputs.bboxes_cxcywh - inputs.target_cxcywh).square().sum(1).sqrt()
        return super().forward(inputs) | dict(l1=distance.sum() / max(len(distance), 1))


class LogarithmOfProbability(Sound):
    def forward(self, inputs):
        return super().forward(inputs) | dict(objectness=-(1 - inputs.obj_logits.sigmoid()).log().mean())


class NeedsSeveralClasses(Sound):
    def forward(self, inputs):
        second = inputs.cls_logits.topk(2).values[:, 1]
        return super().forward(inputs) | dict(margin=second.sum() / max(len(second), 1))


class ForgetsEmptyBatches(Sound):
    def forward(self, inputs):
        terms = super().forward(inputs)
        return terms if len(inputs.labels) else dict(terms, objectness=terms["objectness"].detach())


class SumsOverTheBatch(Sound):
    def forward(self, inputs):
        terms = super().forward(inputs)
        return dict(terms, objectness=terms["objectness"] * len(inputs.obj_logits))


class RandomInEvaluation(Sound):
    def forward(self, inputs):
        return super().forward(replace(inputs, obj_logits=functional.dropout(inputs.obj_logits)))


class HiddenState(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.rand(())

    def forward(self, inputs):
        return {name: term * self.scale for name, term in super().forward(inputs).items()}


class KeepsTensors(Sound):
    def forward(self, inputs):
        self.last = super().forward(inputs)
        return self.last


class ProductOfMatrices(Sound):
    def forward(self, inputs):
        mean = (inputs.obj_logits[None] + 1000) @ inputs.obj_logits.new_ones(len(inputs.obj_logits), 1)
        return super().forward(inputs) | dict(mean=mean.sum() / len(inputs.obj_logits) - 1000)


class Raises(Sound):
    def forward(self, inputs):
        raise ValueError(f"{len(inputs.labels)} labels")


def faults(loss: type) -> list[str]:
    """The sentences, without the title."""
    with pytest.raises(UsageError) as caught:
        check_loss(dict(type=loss))
    title, *sentences = str(caught.value).split("\n- ")
    assert title == f"{loss.__name__} breaks the contract of a loss:"
    return sentences


@pytest.mark.parametrize("loss", [Sound, Learned])
@pytest.mark.parametrize("levels", [1, 2, 3, 5])
def test_a_sound_loss_passes_and_its_terms_are_named(loss, levels):
    assert check_loss(dict(type=loss), levels) == ("l1", "objectness", "entropy")


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (ReturnsTheSum, "the loss is Tensor(); return dict[str, Tensor], each term under its name"),
        (ReturnsNumbers, "term 'l1' is 3."),
        (ReturnsRows, "term 'l1' is Tensor(12,); return its mean over the batch, a scalar tensor"),
        (ChangesItsInput, "forward changes target_cxcywh; take operations that are not in place"),
        (DetachesBoxes, "no gradient reaches bboxes_cxcywh; let a term depend on it"),
        (UnusedParameter, "no gradient reaches unused; let a term depend on it"),
        (MeansOfNothing, "a batch without objects: term 'l1' is nan; look for a mean of nothing"),
        (MeansOfEachLevel, "a batch without objects in level 1: term 'l1' is nan; look for a mean of nothing"),
        (SquareRootOfDistance, "boxes that equal their targets: the gradient of bboxes_cxcywh is not finite"),
        (LogarithmOfProbability, "logits of hundreds: term 'objectness' is inf; look for"),
        (NeedsSeveralClasses, "a single class: it ends in RuntimeError: selected index k out of range"),
        (ForgetsEmptyBatches, "a batch without objects: no gradient reaches obj_logits; cells without an object"),
        (SumsOverTheBatch, "a batch with every image twice makes term 'objectness' 2 times as large; return its mean"),
        (RandomInEvaluation, "two calls in evaluation mode differ; let what is random or moves rest"),
        (HiddenState, "a second loss with its state dict gives other terms; make all that forward uses a parameter"),
        (KeepsTensors, "copy.deepcopy, which the moving average needs, ends in RuntimeError: Only Tensors created"),
        (ProductOfMatrices, "bfloat16 autocast gives other terms: their sum is off by"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_planted_fault_is_told(loss, words):
    found = faults(loss)
    assert len([sentence for sentence in found if words in sentence]) == 1, found


def test_an_exception_is_told_once_with_its_place():
    (sentence,) = faults(Raises)
    assert sentence.startswith("forward ends in ValueError: 12 labels (")
    assert __file__ in sentence
