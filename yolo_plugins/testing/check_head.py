"""The contract of a head, checked on the built object: for the tests of those who write one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from yolo_plugins.models.deploy.compare import tensors
from yolo_plugins.testing import contract
from yolo_plugins.testing.networks import (
    MapsOfImages,
    Subject,
    check_forward,
    check_repeat,
    form_faults,
    images_of,
)

_OUTPUT = "(N, A, H / stride, W / stride, 5 + K)"
_CELLS = 4  # of the last map, along each side of the input
_OBJECTS = 12  # of each image
_LOUD = 10.0  # factor of the maps that predictions are made of: some have to pass the score threshold
_HALF_PRECISION = 0.1  # of the sum of the terms; bfloat16 has three digits


@dataclass(frozen=True)
class _Trial:
    """A head, how to build it with other arguments, and what it is tried on."""

    head: Any
    rebuild: Callable[..., Any]
    maps: tuple[Tensor, ...]
    targets: Tensor
    input_hw: tuple[int, int]


def check_head(
    cfg: dict, in_channels: Sequence[int] = (16, 32, 64), strides: Sequence[int] = (8, 16, 32)
) -> tuple[str, ...]:
    """Checks all that a detector expects of its head.

    Args:
        cfg: What stands in `model.bbox_head` of a config.
        in_channels: Channels of the neck's maps, fine to coarse.
        strides: Input pixels per cell of these maps.

    Returns:
        Names of the terms of its loss.

    Raises:
        UsageError: One sentence for each fault: what is stated, what was found, what to do.
    """

    def rebuild(**others: Any) -> Any:
        return contract.build(cfg, in_channels=list(in_channels), strides=list(strides), test_cfg=None, **others)

    with contract.steady_state():
        head = rebuild()
        subject = Subject(head, rebuild, MapsOfImages(in_channels, strides))
        faults = _find_faults(subject, strides)
        names = () if faults else tuple(_terms(_trial(subject, strides)))
    contract.refuse(head, "head", faults)
    return names


def _find_faults(subject: Subject, strides: Sequence[int]) -> list[str]:
    """Sentences of all checks; they end where the others would only repeat what was found."""
    head = subject.part
    classes = getattr(head, "num_classes", None)
    if not isinstance(classes, int):
        return [f"num_classes is {classes!r}; state the number of classes, without background"]
    head.eval()
    fatal = contract.run("forward", head, check_forward, subject, strides[-1], _OUTPUT)
    if fatal:
        return fatal
    trial = _trial(subject, strides)
    fatal = contract.run("loss", head, _check_loss, trial)
    if fatal:
        return fatal
    faults = [
        f"{case}: {fault}"
        for case, make in _CASES.items()
        for fault in contract.run("loss", head, lambda make=make: _check_loss(make(trial)))
    ]
    head.eval()
    for what, check in _FORMS.items():
        faults += [f"{what} {fault}" for fault in contract.run("", head, check, trial)]
    images = images_of((2, _CELLS, _CELLS), strides[-1])
    fatal = contract.run("forward", head, check_repeat, subject, images)
    return faults + (fatal or form_faults(subject, "head", images))


def _trial(subject: Subject, strides: Sequence[int]) -> _Trial:
    images = images_of((2, _CELLS, _CELLS), strides[-1])
    h, w = images.shape[2:]
    side = torch.rand(2 * _OBJECTS, 2) ** 2 * 0.9 + 0.05  # more small ones than large ones
    corner = torch.rand(2 * _OBJECTS, 2) * (1 - side)
    bboxes = torch.cat((corner, corner + side), 1) * torch.tensor([w, h, w, h])
    labels = torch.arange(2 * _OBJECTS) % subject.part.num_classes
    targets = torch.cat((torch.arange(2).repeat_interleave(_OBJECTS)[:, None], labels[:, None], bboxes), 1)
    return _Trial(subject.part, subject.rebuild, subject.below(images), targets, (h, w))


def _terms(trial: _Trial) -> dict[str, Tensor]:
    return trial.head.loss(trial.head(trial.maps), trial.targets, trial.input_hw)


def _check_loss(trial: _Trial) -> Iterator[str]:
    """The terms are sound, reach every parameter, and what they are made of stays as it is."""
    head = trial.head.train()
    head.zero_grad()
    raw, targets = head(trial.maps), trial.targets.clone()
    before = [level.detach().clone() for level in tensors(raw)]
    terms = head.loss(raw, targets, trial.input_hw)
    faults = list(contract.term_faults(terms))
    if not torch.equal(targets, trial.targets) or not all(map(torch.equal, before, tensors(raw))):
        faults.append("loss changes what it gets; take operations that are not in place, or copy it first")
    if not faults:
        contract.backward(terms)
        remedy = "let a term of every batch depend on it, if only times 0: training on several GPUs stops there"
        faults = list(contract.gradient_faults(contract.parameter_gradients(head), remedy))
    yield from faults


def _with_one_class(trial: _Trial) -> _Trial:
    targets = trial.targets.clone()
    targets[:, 1] = 0
    return replace(trial, head=trial.rebuild(num_classes=1), targets=targets)


def _with_one(trial: _Trial, largest: bool) -> _Trial:
    areas = (trial.targets[:, 4:] - trial.targets[:, 2:4]).prod(1)
    return replace(trial, targets=trial.targets[areas.argsort(descending=largest)[:1]])


_CASES: dict[str, Callable[[_Trial], _Trial]] = {
    "a batch without objects": lambda trial: replace(trial, targets=trial.targets[:0]),
    "a batch with one small object": lambda trial: _with_one(trial, largest=False),
    "a batch with one large object": lambda trial: _with_one(trial, largest=True),
    "a batch of which one image has no object": lambda trial: replace(trial, targets=trial.targets[:_OBJECTS]),
    "num_classes=1": _with_one_class,
}


@torch.no_grad()
def _check_mean(trial: _Trial) -> Iterator[str]:
    again = trial.targets.clone()
    again[:, 0] += len(trial.maps[0])
    maps, targets = tuple(torch.cat((level, level)) for level in trial.maps), torch.cat((trial.targets, again))
    yield from contract.mean_faults(_terms(trial), _terms(replace(trial, maps=maps, targets=targets)))


@torch.no_grad()
def _check_autocast(trial: _Trial) -> Iterator[str]:
    exact = _terms(trial)
    with torch.autocast("cpu", torch.bfloat16):
        terms = _terms(trial)
    yield from contract.autocast_faults(exact, terms, _HALF_PRECISION)


@torch.no_grad()
def _check_predictions(trial: _Trial) -> Iterator[str]:
    """A list of one result an image: boxes, scores 0..1 that fall, labels of classes."""
    head = trial.head
    results = head.predict(head(tuple(level * _LOUD for level in trial.maps)))
    images = len(trial.maps[0])
    if not isinstance(results, (list, tuple)) or len(results) != images:
        yield f"returns {contract.shown(results)} for {images} images; return a list of one InstanceData each"
        return
    for result in results:
        fields: dict[str, Any] = {name: getattr(result, name, None) for name in ("bboxes", "scores", "labels")}
        lacking = [name for name, value in fields.items() if not isinstance(value, Tensor)]
        if lacking:
            yield f"gives no {contract.first(lacking)}; return InstanceData with bboxes, scores and labels"
            return
        faults = list(_faults_of_result(**fields, num_classes=head.num_classes))
        if faults:
            yield from faults
            return


def _faults_of_result(bboxes: Tensor, scores: Tensor, labels: Tensor, num_classes: int) -> Iterator[str]:
    k = len(scores)
    if (bboxes.shape, scores.shape, labels.shape) != ((k, 4), (k,), (k,)):
        shapes = ", ".join(str(tuple(value.shape)) for value in (bboxes, scores, labels))
        yield f"gives bboxes, scores and labels of shapes {shapes}; return (k, 4), (k,), (k,)"
        return
    if not (scores.diff() <= 0).all():
        yield "gives scores that do not fall; sort the detections"
    if not ((scores >= 0) & (scores <= 1)).all():
        yield f"gives scores from {scores.min():.3g} to {scores.max():.3g}; return probabilities, 0 to 1"
    if labels.is_floating_point() or not ((labels >= 0) & (labels < num_classes)).all():
        yield f"gives labels that are not whole numbers from 0 to {num_classes - 1}; return indices of classes"
    if not (bboxes[:, 2:] >= bboxes[:, :2]).all():
        yield "gives bboxes that end before they start; return x1, y1, x2, y2 in pixels of the input"


_FORMS: dict[str, Callable[[_Trial], Iterator[str]]] = {
    "a batch with every image twice": _check_mean,
    "bfloat16 autocast": _check_autocast,
    "predict": _check_predictions,
}
