"""The contract of a loss, checked on the built object: for the tests of those who write one."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from yolo_plugins.models.deploy.compare import tensors
from yolo_plugins.models.losses import LossInput
from yolo_plugins.testing import contract
from yolo_plugins.testing.networks import reload

_ROWS = 4  # positive rows of each level, of which two share a cell
_ANCHORS, _IMAGES = 3, 2
_CLASSES = 5
_LEARNED = ("obj_logits", "bboxes_cxcywh", "cls_logits")  # what a head predicts
_OF_ROWS = ("bboxes_cxcywh", "cls_logits", "positives", "levels", "target_cxcywh", "labels")
_HALF_PRECISION = 0.01  # of the sum of the terms; the inputs are float32
_LOUD = 100.0  # factor of logits whose sigmoid is 0 or 1 in float32


def check_loss(cfg: dict, levels: int = 3) -> tuple[str, ...]:
    """Checks all that a head and a detector expect of a loss.

    Args:
        cfg: What stands in `model.bbox_head.loss` of a config.
        levels: Maps of the detector.

    Returns:
        Names of its terms.

    Raises:
        UsageError: One sentence for each fault: what was found, what to do.
    """
    with contract.steady_state():
        loss = contract.build(cfg)
        inputs = _batch(levels)
        faults = _find_faults(cfg, loss, inputs)
        names = () if faults else tuple(loss(inputs))
    contract.refuse(loss, "loss", faults)
    return names


def _find_faults(cfg: dict, loss: Any, inputs: LossInput) -> list[str]:
    """Sentences of all checks; they end where the others would only repeat what was found."""
    fatal = contract.run("forward", loss, _check_terms, loss, inputs)
    if fatal:
        return fatal
    faults = contract.run("backward", loss, _check_gradients, loss, inputs)
    for case, make in _CASES.items():
        faults += [f"{case}: {fault}" for fault in contract.run("it", loss, _check_case, loss, make(inputs))]
    for level in range(len(inputs.cells_per_level)):
        empty = _take(inputs, inputs.levels != level)
        found = contract.run("it", loss, _check_case, loss, empty)
        faults += [f"a batch without objects in level {level}: {fault}" for fault in found]
    loss.eval()
    for what, check in _FORMS.items():
        faults += [f"{what} {fault}" for fault in contract.run("", loss, check, cfg, loss, inputs)]
    return faults


def _batch(levels: int) -> LossInput:
    """Two images, three anchors, five classes; rows in every level."""
    sides = [2 ** (levels - level) for level in range(levels)]
    cells = [_IMAGES * _ANCHORS * side**2 for side in sides]
    starts = torch.tensor([0, *cells[:-1]]).cumsum(0)
    places = torch.stack([torch.randperm(count)[:_ROWS] for count in cells])
    places[:, -1] = places[:, 0]  # a cell that two objects share
    rows = levels * _ROWS
    target = torch.cat((torch.rand(rows, 2) * 2 - 0.5, torch.rand(rows, 2) * 4 + 0.2), 1)
    return LossInput(
        obj_logits=torch.randn(sum(cells)) - 2,
        bboxes_cxcywh=torch.cat((torch.rand(rows, 2) * 2 - 0.5, torch.rand(rows, 2) * 4 + 0.2), 1),
        cls_logits=torch.randn(rows, _CLASSES),
        positives=(places + starts[:, None]).flatten(),
        levels=torch.arange(levels).repeat_interleave(_ROWS),
        target_cxcywh=target,
        labels=torch.arange(rows) % _CLASSES,
        cells_per_level=cells,
        input_hw=(8 * sides[0], 8 * sides[0]),
    )


def _take(inputs: LossInput, rows: Tensor) -> LossInput:
    """The same batch with some of its positive rows alone."""
    return replace(inputs, **{name: getattr(inputs, name)[rows] for name in _OF_ROWS})


def _twice(inputs: LossInput) -> LossInput:
    """The same batch with every image twice: in each level the cells of the copies come after those of the first."""
    cells = list(inputs.cells_per_level)
    starts = torch.tensor([0, *cells[:-1]]).cumsum(0)
    first = inputs.positives + starts[inputs.levels]
    doubled = replace(
        inputs,
        obj_logits=torch.cat([torch.cat((level, level)) for level in inputs.obj_logits.split(cells)]),
        cells_per_level=[2 * count for count in cells],
    )
    doubled = _take(doubled, torch.arange(len(first)).repeat(2))
    doubled = replace(doubled, positives=torch.cat((first, first + torch.tensor(cells)[inputs.levels])))
    return _take(doubled, doubled.levels.argsort(stable=True))


def _one_class(inputs: LossInput) -> LossInput:
    return replace(inputs, cls_logits=inputs.cls_logits[:, :1], labels=torch.zeros_like(inputs.labels))


_CASES: dict[str, Callable[[LossInput], LossInput]] = {
    "a batch without objects": lambda inputs: _take(inputs, inputs.levels < 0),
    "a single class": _one_class,
    "a single class without objects": lambda inputs: _one_class(_take(inputs, inputs.levels < 0)),
    "boxes that equal their targets": lambda inputs: replace(inputs, bboxes_cxcywh=inputs.target_cxcywh.clone()),
    "boxes far from their targets": lambda inputs: replace(inputs, target_cxcywh=inputs.target_cxcywh + 100),
    "logits of hundreds": lambda inputs: replace(
        inputs, obj_logits=inputs.obj_logits * _LOUD, cls_logits=inputs.cls_logits * _LOUD
    ),
}


def _check_terms(loss: Any, inputs: LossInput) -> Iterator[str]:
    """Terms as they have to be, of inputs that stay as they are."""
    before = copy.deepcopy(inputs)
    yield from contract.term_faults(loss(inputs))
    changed = [
        name
        for name, value in vars(inputs).items()
        if not all(map(torch.equal, tensors([value]), tensors([getattr(before, name)])))
    ]
    if changed:
        yield f"forward changes {contract.first(changed)}; take operations that are not in place, or copy it first"


def _backward(loss: Any, inputs: LossInput) -> tuple[dict[str, Tensor], dict[str, Tensor | None]]:
    """The terms, and gradients of what is predicted and of the loss's own parameters."""
    predicted = {name: getattr(inputs, name).clone().requires_grad_() for name in _LEARNED}
    loss.train().zero_grad()
    terms = loss(replace(inputs, **predicted))
    contract.backward(terms)
    return terms, {name: value.grad for name, value in predicted.items()} | contract.parameter_gradients(loss)


def _check_gradients(loss: Any, inputs: LossInput) -> Iterator[str]:
    remedy = "let a term depend on it, and detach nothing but targets and weights"
    yield from contract.gradient_faults(_backward(loss, inputs)[1], remedy)


def _check_case(loss: Any, inputs: LossInput) -> Iterator[str]:
    """The terms and those gradients that there are, are finite; objectness is learned in every batch."""
    terms, gradients = _backward(loss, inputs)
    faults = list(contract.term_faults(terms))
    if not faults:
        found = {name: value for name, value in gradients.items() if value is not None or name == "obj_logits"}
        faults = list(contract.gradient_faults(found, "cells without an object are to be learned in every batch"))
    yield from faults


@torch.no_grad()
def _check_repeat(cfg: dict, loss: Any, inputs: LossInput) -> Iterator[str]:
    if not _are_equal(loss(inputs), loss(inputs)):
        yield "differ; let what is random or moves rest while self.training is false"


@torch.no_grad()
def _check_reload(cfg: dict, loss: Any, inputs: LossInput) -> Iterator[str]:
    if not _are_equal(loss(inputs), reload(loss, lambda: contract.build(cfg))(inputs)):
        yield "gives other terms; make all that forward uses a parameter or a buffer"


def _check_copy(cfg: dict, loss: Any, inputs: LossInput) -> Iterator[str]:
    _backward(loss, inputs)  # with its graph: tensors that it keeps cannot be copied
    copied = copy.deepcopy(loss.eval())
    if not _are_equal(loss(inputs), copied(inputs)):
        yield "gives other terms; let __deepcopy__ keep everything"


@torch.no_grad()
def _check_mean(cfg: dict, loss: Any, inputs: LossInput) -> Iterator[str]:
    yield from contract.mean_faults(loss(inputs), loss(_twice(inputs)))


@torch.no_grad()
def _check_autocast(cfg: dict, loss: Any, inputs: LossInput) -> Iterator[str]:
    exact = loss(inputs)
    with torch.autocast("cpu", torch.bfloat16):
        terms = loss(inputs)
    yield from contract.autocast_faults(exact, terms, _HALF_PRECISION)


def _are_equal(terms: dict[str, Tensor], others: dict[str, Tensor]) -> bool:
    return terms.keys() == others.keys() and all(torch.equal(term, others[name]) for name, term in terms.items())


_FORMS: dict[str, Callable[[dict, Any, LossInput], Iterator[str]]] = {
    "two calls in evaluation mode": _check_repeat,
    "a second loss with its state dict": _check_reload,
    "copy.deepcopy, which the moving average needs,": _check_copy,
    "a batch with every image twice": _check_mean,
    "bfloat16 autocast": _check_autocast,
}
