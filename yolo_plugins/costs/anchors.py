"""Anchors against the objects of a data set: how well they fit, and better ones by k-means and mutation.

Measures as YOLOv5 v7.0 reports them. The ratio of an object and an anchor is the smallest of w/W, W/w, h/H, H/h (1 for
equal sizes); an anchor can learn an object when the ratio is above 1 / `max_ratio` (the assigner's `anchor_t`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from yolo_plugins.config import size_hw
from yolo_plugins.datasets.annotation import Annotation
from yolo_plugins.errors import UsageError

MAX_RATIO = 4.0  # YOLOv5's anchor_t
SUFFICIENT_RECALL = 0.98  # YOLOv5 refits its anchors at or below this best possible recall

_MIN_SIDE = 2.0  # pixels: YOLOv5 leaves objects with both sides below out of the fit, and makes no anchor narrower
_GENERATIONS = 1000
_MUTATION_RATE = 0.9  # share of the sides changed in one generation
_MUTATION_SCALE = 0.1  # largest standard deviation of a side's relative change
_DECIMALS = 1  # of the fitted sides, in pixels; what is measured is what is printed

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AnchorQuality:
    """How a set of anchors fits a set of objects.

    Attributes:
        best_possible_recall: share 0..1 of the objects that some anchor can learn.
        anchors_per_object: mean number of anchors that can learn an object.
        fitness: mean over objects (of 2 pixels or more in a side) of the best ratio, 0 for those no anchor can learn.
    """

    best_possible_recall: float
    anchors_per_object: float
    fitness: float


@dataclass(frozen=True)
class AnchorChoice:
    """The anchors to use.

    Attributes:
        anchors_wh: (k, 2) pixels.
        quality: of these anchors.
        present_quality: of the anchors that were there before; the same object when they were kept.
        reason: one sentence, why they were kept or replaced.
    """

    anchors_wh: _Floats
    quality: AnchorQuality
    present_quality: AnchorQuality
    reason: str


def anchor_ratios(sizes_wh: ArrayLike, anchors_wh: ArrayLike) -> _Floats:
    """(n, k) ratio 0..1 of each of n objects (n, 2) and each of k anchors (k, 2), in the same unit."""
    sizes = np.ascontiguousarray(np.asarray(sizes_wh, np.float64).T)  # the long axis last: a quarter of the time
    ratios = sizes[:, None] / np.asarray(anchors_wh, np.float64).T[:, :, None]  # (2, k, n)
    np.minimum(ratios, 1 / ratios, out=ratios)
    return ratios.min(0).T


def measure_anchors(sizes_wh: ArrayLike, anchors_wh: ArrayLike, max_ratio: float = MAX_RATIO) -> AnchorQuality:
    """Measures anchors against objects.

    Args:
        sizes_wh: (n, 2) widths and heights of the objects in pixels of the network's input.
        anchors_wh: (k, 2) pixels, all levels together.
        max_ratio: the assigner's `anchor_t`, above 1.

    Raises:
        UsageError: no objects, no anchors, or a side that is not positive.
    """
    sizes_wh, anchors_wh = _checked(sizes_wh, "sizes_wh"), _checked(anchors_wh, "anchors_wh")
    learnable = anchor_ratios(sizes_wh, anchors_wh) > 1 / max_ratio
    return AnchorQuality(
        best_possible_recall=float(learnable.any(1).mean()),
        anchors_per_object=float(learnable.sum(1).mean()),
        fitness=_fitness(_large_enough(sizes_wh), anchors_wh, max_ratio),
    )


def fit_anchors(sizes_wh: ArrayLike, num_anchors: int, seed: int = 0, max_ratio: float = MAX_RATIO) -> _Floats:
    """Anchors for objects: k-means on sizes of unit variance, then 1000 mutations that keep what raises the fitness.

    Args:
        sizes_wh: (n, 2) widths and heights in pixels of the network's input.
        num_anchors: k, at least 1.
        seed: of k-means and the mutations; the same seed gives the same anchors.
        max_ratio: the assigner's `anchor_t`, above 1.

    Returns:
        (k, 2) pixels by rising area, rounded to 0.1 pixels.

    Raises:
        UsageError: no objects, a side that is not positive, or fewer distinct sizes than anchors.
    """
    sizes_wh = _large_enough(_checked(sizes_wh, "sizes_wh"))
    distinct = len(np.unique(sizes_wh, axis=0))
    if not 1 <= num_anchors <= distinct:
        raise UsageError(
            f"num_anchors={num_anchors}: the data has {distinct} distinct object sizes, give 1..{distinct}"
        )
    rng = np.random.default_rng(seed)
    anchors = np.maximum(_cluster(sizes_wh, num_anchors, rng), _MIN_SIDE)
    fitness = _fitness(sizes_wh, anchors, max_ratio)
    for _ in range(_GENERATIONS):
        candidate = np.maximum(anchors * _mutation(anchors.shape, rng), _MIN_SIDE)
        candidate_fitness = _fitness(sizes_wh, candidate, max_ratio)
        if candidate_fitness > fitness:
            anchors, fitness = candidate, candidate_fitness
    return anchors[np.argsort(anchors.prod(1))].round(_DECIMALS)


def choose_anchors(
    sizes_wh: ArrayLike, present_wh: ArrayLike, num_anchors: int, seed: int = 0, max_ratio: float = MAX_RATIO
) -> AnchorChoice:
    """Keeps the present anchors unless their recall is low and fitted ones raise it.

    Args:
        sizes_wh: (n, 2) widths and heights of the objects in pixels of the network's input.
        present_wh: (m, 2) the anchors there are, pixels.
        num_anchors: number of anchors to fit.
        seed: see `fit_anchors`.
        max_ratio: the assigner's `anchor_t`, above 1.

    Raises:
        UsageError: see `measure_anchors`, `fit_anchors`.
    """
    present_wh = _checked(present_wh, "present_wh")
    present = measure_anchors(sizes_wh, present_wh, max_ratio)
    recall = present.best_possible_recall
    if recall > SUFFICIENT_RECALL:
        reason = f"kept: their best possible recall {recall:.4f} is above {SUFFICIENT_RECALL}"
        return AnchorChoice(present_wh, present, present, reason)
    fitted_wh = fit_anchors(sizes_wh, num_anchors, seed, max_ratio)
    fitted = measure_anchors(sizes_wh, fitted_wh, max_ratio)
    change = f"best possible recall {fitted.best_possible_recall:.4f} instead of {recall:.4f}"
    if fitted.best_possible_recall <= recall:
        return AnchorChoice(present_wh, present, present, f"kept: fitted anchors do not raise it, {change}")
    return AnchorChoice(fitted_wh, fitted, present, f"replaced: fitted anchors reach a {change}")


def object_sizes(annotations: Iterable[Annotation], img_size: int | Sequence[int]) -> tuple[_Floats, int]:
    """Sizes of the objects of pictures, as the network meets them; difficult objects are left out as in training.

    Args:
        annotations: One a picture.
        img_size: (height, width) of the input in pixels, or the side of a square, into which images are scaled.

    Returns:
        (n, 2) widths and heights in pixels of the network's input, and the number of images.

    Raises:
        UsageError: there is no object.
    """
    (height, width), sizes = size_hw(img_size), [np.zeros((0, 2))]
    for annotation in annotations:
        bboxes = annotation.bboxes[~annotation.difficult].astype(np.float64)
        sizes.append((bboxes[:, 2:] - bboxes[:, :2]) * min(width / annotation.width, height / annotation.height))
    images, sizes_wh = len(sizes) - 1, np.concatenate(sizes)
    if not len(sizes_wh):
        raise UsageError(f"no object in {images} pictures; give splits and classes that have some")
    return sizes_wh, images


def format_anchors(anchors_wh: ArrayLike, num_levels: int) -> str:
    """The anchors as config text, an equal share for each level, in the order given.

    Args:
        anchors_wh: (k, 2) pixels.
        num_levels: number of lists.

    Raises:
        UsageError: k is no multiple of `num_levels`.
    """
    anchors_wh = _checked(anchors_wh, "anchors_wh")
    if len(anchors_wh) % num_levels:
        raise UsageError(f"{len(anchors_wh)} anchors on {num_levels} levels: give a multiple of {num_levels}")
    levels = anchors_wh.reshape(num_levels, -1, 2)  # (L*A, 2) -> (L, A, 2)
    return f"anchors=[{', '.join(_format_level(level) for level in levels)}]"


def _format_level(level: _Floats) -> str:
    return f"[{', '.join(f'({width:g}, {height:g})' for width, height in level)}]"


def _checked(values: ArrayLike, name: str) -> _Floats:
    values = np.asarray(values, np.float64)
    if values.ndim != 2 or values.shape[1] != 2 or not len(values):
        raise UsageError(f"{name} has shape {values.shape}: give at least one (width, height)")
    if not (np.isfinite(values) & (values > 0)).all():
        raise UsageError(f"{name}: a side is not a positive number of pixels")
    return values


def _large_enough(sizes_wh: _Floats) -> _Floats:
    return sizes_wh[(sizes_wh >= _MIN_SIDE).any(1)]


def _fitness(sizes_wh: _Floats, anchors_wh: _Floats, max_ratio: float) -> float:
    if not len(sizes_wh):
        return 0.0
    best = anchor_ratios(sizes_wh, anchors_wh).max(1)
    return float(np.where(best > 1 / max_ratio, best, 0).mean())


def _cluster(sizes_wh: _Floats, num_anchors: int, rng: np.random.Generator) -> _Floats:
    """(k, 2) k-means centres; sizes stand in for centres that lost all their members."""
    from scipy.cluster.vq import kmeans  # an extra dependency, needed for the fit only

    spread = sizes_wh.std(0)
    spread = np.where(spread > 0, spread, 1)
    centres = kmeans(sizes_wh / spread, num_anchors, iter=30, rng=rng)[0] * spread
    missing = num_anchors - len(centres)
    return np.concatenate([centres, rng.permutation(np.unique(sizes_wh, axis=0))[:missing]])


def _mutation(shape: tuple[int, ...], rng: np.random.Generator) -> _Floats:
    """Positive factors near 1 for all sides; a generation takes large or small steps."""
    scale = _MUTATION_SCALE * rng.random()
    changed = rng.random(shape) < _MUTATION_RATE
    return np.exp(np.where(changed, rng.normal(0, scale, shape), 0))
