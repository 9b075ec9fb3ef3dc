"""A sound head passes; each planted fault is told in a sentence of its own."""

import pytest
import torch
from mmengine.structures import InstanceData
from torch import nn
from torch.nn import functional

from yolo_plugins.errors import UsageError
from yolo_plugins.testing import check_head


class Sound(nn.Module):
    """One box, objectness and classes a cell, which answers for the centres in it."""

    def __init__(self, in_channels, strides, num_classes=3, test_cfg=None) -> None:
        super().__init__()
        self.strides, self.num_classes = strides, num_classes
        self.predictors = nn.ModuleList(nn.Conv2d(channels, 5 + num_classes, 1) for channels in in_channels)

    def forward(self, maps):
        raw = [predictor(level) for predictor, level in zip(self.predictors, maps, strict=True)]
        # (N, 5+K, H, W) -> (N, 1, H, W, 5+K)
        return tuple(level.permute(0, 2, 3, 1)[:, None] for level in raw)

    def loss(self, raw, targets, input_hw):
        box, objectness, classes = 0, 0, 0
        for level, stride in zip(raw, self.strides, strict=True):
            level = level.float()
            column, row = ((targets[:, 2:4] + targets[:, 4:]) / 2 / stride).long().T
            image, label = targets[:, :2].long().T
            rows = level[image, 0, row, column]
            is_object = torch.zeros_like(level[..., 4])
            is_object[image, 0, row, column] = 1
            objectness = objectness + functional.binary_cross_entropy_with_logits(level[..., 4], is_object)
            share = 1 / max(len(rows), 1)
            sides = (targets[:, 4:] - targets[:, 2:4]) / max(input_hw)
            box = box + (rows[:, :2].sigmoid() - sides).abs().sum() * share + rows[:, 2:4].square().sum() * share
            wanted = functional.one_hot(label, self.num_classes).float()
            entropy = functional.binary_cross_entropy_with_logits(rows[:, 5:], wanted, reduction="sum")
            classes = classes + entropy * share
        return dict(box=box, objectness=objectness, classes=classes)

    def predict(self, raw):
        return [self.result(torch.cat([level[image].flatten(0, 2) for level in raw])) for image in range(len(raw[0]))]

    def result(self, rows):
        scores, order = rows[:, 4].sigmoid().sort(descending=True)
        rows = rows[order]
        corner = rows[:, :2] * 10
        return InstanceData(
            bboxes=torch.cat((corner, corner + rows[:, 2:4].exp()), 1), scores=scores, labels=rows[:, 5:].argmax(1)
        )


class NoClasses(Sound):
    def __init__(self, in_channels, strides, test_cfg=None) -> None:
        super().__init__(in_channels, strides)
        del self.num_classes


class FlatOutputs(Sound):
    def forward(self, maps):
        return tuple(level.flatten(1) for level in super().forward(maps))


class ChangesItsInput(Sound):
    def forward(self, maps):
        return super().forward([level.mul_(2) for level in maps])


class ChangesTargets(Sound):
    def loss(self, raw, targets, input_hw):
        targets[:, 2:] += 0.5
        return super().loss(raw, targets, input_hw)


class ChangesRaw(Sound):
    def loss(self, raw, targets, input_hw):
        return super().loss([level.mul_(2) for level in raw], targets, input_hw)


class ReturnsTheSum(Sound):
    def loss(self, raw, targets, input_hw):
        return sum(super().loss(raw, targets, input_hw).values())


class Unreached(Sound):
    def __init__(self, in_channels, strides, num_classes=3, test_cfg=None) -> None:
        super().__init__(in_channels, strides, num_classes)
        self.unused = nn.Conv2d(8, 8, 1)


class InfiniteGradient(Sound):
    def loss(self, raw, targets, input_hw):
        terms = super().loss(raw, targets, input_hw)
        return dict(terms, box=terms["box"] + (raw[0] * 0).sqrt().sum())


class MeansOfNothing(Sound):
    def loss(self, raw, targets, input_hw):
        terms = super().loss(raw, targets, input_hw)
        return dict(terms, side=(targets[:, 4:] - targets[:, 2:4]).mean() + raw[0].mean())


class SkipsEmptyBatches(Sound):
    def loss(self, raw, targets, input_hw):
        return super().loss(raw if len(targets) else [level.detach() for level in raw], targets, input_hw)


class SeveralSizesOnly(Sound):
    def loss(self, raw, targets, input_hw):
        spread = (targets[:, 4] - targets[:, 2]).std() if len(targets) else 0
        return super().loss(raw, targets, input_hw) | dict(spread=spread + raw[0].mean())


class EveryImageHasObjects(Sound):
    def loss(self, raw, targets, input_hw):
        counts = torch.bincount(targets[:, 0].long(), minlength=len(raw[0])) if len(targets) > 1 else torch.ones(1)
        return super().loss(raw, targets, input_hw) | dict(extra=raw[0].mean() + (1 / counts).mean())


class SeveralClassesOnly(Sound):
    def loss(self, raw, targets, input_hw):
        return super().loss(raw, targets, input_hw) | dict(second=raw[0][..., 6].mean())


class SumsOverTheBatch(Sound):
    def loss(self, raw, targets, input_hw):
        return {name: term * len(raw[0]) for name, term in super().loss(raw, targets, input_hw).items()}


class HalfPrecision(Sound):
    def loss(self, raw, targets, input_hw):
        rounded = (raw[0] + 4096) - 4096  # to whole numbers, or in bfloat16 to multiples of 32
        return super().loss(raw, targets, input_hw) | dict(size=10 * rounded.abs().mean())


class OneResult(Sound):
    def predict(self, raw):
        return super().predict(raw)[0]


class NoLabels(Sound):
    def result(self, rows):
        result = super().result(rows)
        del result.labels
        return result


class WrongShapes(Sound):
    def result(self, rows):
        result = super().result(rows)
        return InstanceData(bboxes=result.bboxes, scores=result.scores[:, None], labels=result.labels)


class Unsorted(Sound):
    def result(self, rows):
        return super().result(rows)[torch.arange(len(rows)).flip(0)]


class LogitsAsScores(Sound):
    def result(self, rows):
        result = super().result(rows)
        result.scores = result.scores.logit()
        return result


class LabelsFromOne(Sound):
    def result(self, rows):
        result = super().result(rows)
        result.labels = result.labels + 1
        return result


class CentresAndSizes(Sound):
    def result(self, rows):
        result = super().result(rows)
        result.bboxes = torch.cat((result.bboxes[:, :2] + 1e4, result.bboxes[:, 2:]), 1)
        return result


class RandomInEvaluation(Sound):
    def forward(self, maps):
        return super().forward([functional.dropout(level) for level in maps])


class HiddenState(Sound):
    def __init__(self, in_channels, strides, num_classes=3, test_cfg=None) -> None:
        super().__init__(in_channels, strides, num_classes)
        self.scale = torch.rand(1)

    def forward(self, maps):
        return super().forward([level * self.scale for level in maps])


class MixesImages(Sound):
    def forward(self, maps):
        return super().forward([level - level.mean(0) for level in maps])


def faults(head: type) -> list[str]:
    """The sentences, without the title."""
    with pytest.raises(UsageError) as caught:
        check_head(dict(type=head))
    title, *sentences = str(caught.value).split("\n- ")
    assert title == f"{head.__name__} breaks the contract of a head:"
    return sentences


@pytest.mark.parametrize("strides", [(16, 32), (8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32, 64)])
def test_a_sound_head_passes_and_the_terms_of_its_loss_are_named(strides):
    assert check_head(dict(type=Sound), [8] * len(strides), strides) == ("box", "objectness", "classes")


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (NoClasses, "num_classes is None; state the number of classes, without background"),
        (FlatOutputs, "forward returns Tensor(1, 2048), Tensor(1, 512), Tensor(1, 128); return a tuple of maps"),
        (ChangesItsInput, "forward changes its input; take operations that are not in place"),
        (ChangesTargets, "loss changes what it gets; take operations that are not in place"),
        (ChangesRaw, "loss changes what it gets; take operations that are not in place"),
        (ReturnsTheSum, "the loss is Tensor(); return dict[str, Tensor], each term under its name"),
        (Unreached, "no gradient reaches unused.weight, unused.bias; let a term of every batch depend on it"),
        (InfiniteGradient, "the gradient of predictors.0.weight, predictors.0.bias is not finite; look for"),
        (MeansOfNothing, "a batch without objects: term 'side' is nan; look for a mean of nothing"),
        (SkipsEmptyBatches, "a batch without objects: no gradient reaches predictors.0.weight, predictors.0.bias, "),
        (SeveralSizesOnly, "a batch with one small object: term 'spread' is nan; look for"),
        (EveryImageHasObjects, "a batch of which one image has no object: term 'extra' is inf; look for"),
        (SeveralClassesOnly, "num_classes=1: loss ends in IndexError: index 6 is out of bounds"),
        (SumsOverTheBatch, "a batch with every image twice makes term 'box' 2 times as large; return its mean"),
        (HalfPrecision, "bfloat16 autocast gives other terms: their sum is off by"),
        (OneResult, "predict returns <InstanceData("),
        (NoLabels, "predict gives no labels; return InstanceData with bboxes, scores and labels"),
        (WrongShapes, "predict gives bboxes, scores and labels of shapes (336, 4), (336, 1), (336,); return (k, 4)"),
        (Unsorted, "predict gives scores that do not fall; sort the detections"),
        (LogitsAsScores, "return probabilities, 0 to 1"),
        (LabelsFromOne, "predict gives labels that are not whole numbers from 0 to 2; return indices of classes"),
        (CentresAndSizes, "predict gives bboxes that end before they start; return x1, y1, x2, y2"),
        (RandomInEvaluation, "two calls in evaluation mode differ; let what is random rest"),
        (HiddenState, "a second head with its state dict gives other maps (off by"),
        (MixesImages, "each image by itself gives other maps (off by"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_planted_fault_is_told(head, words):
    found = faults(head)
    assert len([sentence for sentence in found if words in sentence]) == 1, found
