"""Speed of the parts that a run spends its time in. Machines drift: compare ratios of one run, never two days.

Every function returns a flat dict of numbers, its keys ending in their unit.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor

from yolo_plugins.config import input_hw
from yolo_plugins.costs.latency import measure_latency
from yolo_plugins.engine import YOLOOptimWrapper
from yolo_plugins.engine.memory import keep_freed_memory
from yolo_plugins.errors import UsageError
from yolo_plugins.evaluation import evaluate_detections
from yolo_plugins.faults import first_line
from yolo_plugins.models import to_deploy
from yolo_plugins.registry import DATASETS, MODELS

_ARRAYS = ("gt_image", "gt_labels", "gt_bboxes", "gt_difficult", "image", "labels", "bboxes", "scores")
_OBJECTS_PER_IMAGE = 8  # more than VOC's 2.4: mosaic joins four pictures


def benchmark_pipeline(config: Config, samples: int = 600) -> dict[str, float]:
    """Training samples a second of one process, from the warm image cache."""
    init_default_scope("yolo_plugins")
    dataset = DATASETS.build(config.train_dataloader.dataset)
    indices = np.random.default_rng(0).integers(0, len(dataset), samples).tolist()
    for index in indices[:50]:
        dataset[(0, 0, index)]
    start = time.perf_counter()
    for index in indices:
        dataset[(0, 0, index)]
    return dict(pipeline_img_per_s=samples / (time.perf_counter() - start))


def benchmark_train(
    config: Config, batch_size: int = 16, amp: bool = False, device: str = "cpu", repeats: int = 10
) -> dict[str, float]:
    """Training steps (forward, loss, backward, optimizer) on a random batch, and the loss with assignment alone."""
    model = _build(config).train().to(device)
    inputs, targets = _random_batch(batch_size, input_hw(config), model.num_classes, device)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, nesterov=True)
    wrapper = YOLOOptimWrapper(optimizer, amp=amp)

    def step() -> None:
        with wrapper.optim_context(model):
            loss = model.loss(inputs, targets)["loss"]
        wrapper.update_params(loss)

    raw = [level.detach().requires_grad_() for level in model(inputs, mode="tensor")]

    def loss_only() -> None:
        terms = model.bbox_head.loss(raw, targets, tuple(inputs.shape[2:]))
        torch.stack(list(terms.values())).sum().backward()

    step_ms = _median_ms(step, repeats, device)
    return dict(
        train_img_per_s=1e3 * batch_size / step_ms,
        train_step_ms=step_ms,
        loss_ms=_median_ms(loss_only, 5 * repeats, device),
    )


def benchmark_predict(config: Config, device: str = "cpu", repeats: int = 40) -> dict[str, float]:
    """Prediction of one image, batch 1, in training form and in deploy form, suppression included."""
    model = _build(config).eval().to(device)
    size = input_hw(config)
    inputs, _ = _random_batch(1, size, model.num_classes, device)
    meta = dict(ori_shape=size, scale_factor=(1.0, 1.0), pad_param=(0, 0, 0, 0))
    sample = DetDataSample(metainfo=meta)

    forms = {"predict_train_form_ms": model, "predict_ms": to_deploy(model, size)}
    calls = {name: lambda form=form: form(inputs, [sample], mode="predict") for name, form in forms.items()}
    with torch.inference_mode():
        found = measure_latency(calls, device=device, rounds=(repeats, repeats))
    return {name: latency.median_ms for name, latency in found.items()}


def benchmark_eval(detections: Path | None = None, num_classes: int = 20, repeats: int = 3) -> dict[str, float]:
    """Evaluation of a result of the size of VOC2007 test: 4,952 images, 60 detections each, ten IoUs.

    Args:
        detections: An .npz with `gt_image`, `gt_labels`, `gt_bboxes`, `gt_difficult`, `image`, `labels`, `bboxes`,
            `scores`; random ones by default.
        num_classes: Of either.
        repeats: Timed evaluations.

    Raises:
        UsageError: The file cannot be read as arrays of numbers.
    """
    arrays = _read_arrays(detections) if detections else _random_detections(num_classes=num_classes)
    truth = {name.removeprefix("gt_"): array for name, array in arrays.items() if name.startswith("gt_")}
    found = {name: array for name, array in arrays.items() if not name.startswith("gt_")}
    scores = evaluate_detections(truth, found, num_classes=num_classes)
    milliseconds = _median_ms(lambda: evaluate_detections(truth, found, num_classes=num_classes), repeats)
    return dict(eval_s=milliseconds / 1e3, ap50=scores.ap50, ap50_95=scores.ap50_95)


def _median_ms(call: Callable[[], object], repeats: int, device: str = "cpu") -> float:
    return measure_latency({"": call}, device=device, rounds=(repeats, repeats))[""].median_ms


def _build(config: Config) -> Any:
    init_default_scope("yolo_plugins")
    keep_freed_memory()
    torch.manual_seed(0)
    return MODELS.build(config.model)


def _random_batch(batch_size: int, size_hw: tuple[int, int], num_classes: int, device: str) -> tuple[Tensor, Tensor]:
    """Images (N, 3, H, W) in 0..1, channels last, and targets (M, 6) image, class, xyxy pixels."""
    generator = torch.Generator().manual_seed(0)
    objects = batch_size * _OBJECTS_PER_IMAGE
    size_wh = torch.tensor(size_hw[::-1])
    centre = torch.rand(objects, 2, generator=generator) * size_wh
    half = torch.rand(objects, 2, generator=generator) * size_wh * 0.19 + size_wh * 0.016
    image = torch.arange(batch_size).repeat_interleave(_OBJECTS_PER_IMAGE)
    label = torch.randint(num_classes, (objects,), generator=generator)
    bboxes = torch.cat((centre - half, centre + half), 1).clamp(min=0).minimum(size_wh.repeat(2))
    targets = torch.cat((image[:, None], label[:, None], bboxes), 1)
    inputs = torch.rand(batch_size, 3, *size_hw, generator=generator)
    return inputs.to(device, memory_format=torch.channels_last), targets.to(device)


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path) as arrays:
            return {name: arrays[name] for name in _ARRAYS}
    except FileNotFoundError:
        raise
    except Exception as error:  # a faulty file can raise anything
        reason = first_line(error).partition(". ")[0]  # without numpy's advice to load it all the same
        raise UsageError(
            f"{path}: not an .npz of plain arrays {', '.join(_ARRAYS)} ({reason}); write it by numpy.savez"
        ) from error


def _random_detections(images: int = 4952, per_image: int = 60, num_classes: int = 20) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    gt_image = np.repeat(np.arange(images), np.maximum(rng.poisson(2.43, images), 1))  # VOC2007 test's mean
    centre, wh = rng.random((len(gt_image), 2)) * (500, 375), rng.random((len(gt_image), 2)) * 200 + 10
    gt_bboxes = np.concatenate((centre - wh / 2, centre + wh / 2), 1)
    gt_labels = rng.integers(0, num_classes, len(gt_image))
    image = np.repeat(np.arange(images), per_image)
    first = np.searchsorted(gt_image, image)
    counts = np.bincount(gt_image, minlength=images)[image]
    near = first + (rng.random(len(image)) * counts).astype(int)
    noise = rng.normal(size=(len(image), 4)) * rng.choice([3, 15, 60], (len(image), 1))
    labels = np.where(rng.random(len(image)) < 0.7, gt_labels[near], rng.integers(0, num_classes, len(image)))
    return dict(
        gt_image=gt_image,
        gt_labels=gt_labels,
        gt_bboxes=gt_bboxes,
        gt_difficult=rng.random(len(gt_image)) < 0.19,
        image=image,
        labels=labels,
        bboxes=gt_bboxes[near] + noise,
        scores=rng.random(len(image)),
    )
