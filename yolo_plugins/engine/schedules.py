"""Learning-rate curves and warm-up as closed forms of the place in the run: no state, so resuming is exact.

The curves return a factor of the optimizer's own learning rate. Sources: YOLOv5 v6.0 (cosine) and v6.1+ (linear),
both constant within an epoch; Smith & Topin 2017 (arXiv:1708.07120) for one-cycle, in the form of
`torch.optim.lr_scheduler.OneCycleLR(anneal_strategy="cos")`, without its momentum cycle.
"""

import math


def linear(epoch: int, max_epochs: int, final: float) -> float:
    """Factor that falls on a straight line from 1 towards `final`.

    Args:
        epoch: Epochs already finished, 0 .. max_epochs - 1.
        max_epochs: Epochs of the whole run.
        final: Factor that would be met at `epoch == max_epochs`, one epoch after the last one trained.
    """
    return (1 - epoch / max_epochs) * (1 - final) + final


def cosine(epoch: int, max_epochs: int, final: float) -> float:
    """Factor that falls on half a cosine wave from 1 towards `final`; arguments as in `linear`."""
    return (1 + math.cos(math.pi * epoch / max_epochs)) / 2 * (1 - final) + final


def one_cycle(iteration: float, max_iters: int, peak: float = 10.0, rise: float = 0.3, final: float = 1e-4) -> float:
    """Factor that rises from 1 to `peak` and falls to `final`, each on half a cosine wave.

    Args:
        iteration: Iterations already finished, 0 .. max_iters - 1, also between two.
        max_iters: Iterations of the whole run.
        peak: Largest factor (`div_factor` of PyTorch's scheduler).
        rise: Share of the run after which the peak is met (`pct_start`).
        final: Factor of the last iteration (1 / `final_div_factor`).
    """
    top, last = rise * max_iters - 1, max_iters - 1
    if iteration < top:
        return _half_wave(1.0, peak, iteration / top)
    return _half_wave(peak, final, (iteration - top) / (last - top)) if last > top else peak


def _half_wave(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))


def ramp(iteration: float, length: int, start: float, end: float) -> float:
    """Straight line from `start` at iteration 0 to `end` at iteration `length`, constant after it."""
    return end if iteration >= length else start + (end - start) * iteration / length


def warmup_iterations(epochs: float, min_iters: int, iters_per_epoch: int) -> int:
    """Length of the warm-up: `epochs` epochs, at least `min_iters` iterations (YOLOv5 v6.2+: 3 and 100)."""
    return max(round(epochs * iters_per_epoch), min_iters)


def accumulation(iteration: float, warmup_iters: int, nominal_batch_size: int, total_batch: int) -> int:
    """Number of iterations whose gradients make one optimizer step, at least 1.

    Rises from 1 to `nominal_batch_size / total_batch` over the warm-up; rounded half to even, as YOLOv5 does.
    """
    return max(round(ramp(iteration, warmup_iters, 1.0, nominal_batch_size / total_batch)), 1)
