"""How long a call takes."""

import statistics
import time
from collections.abc import Callable

import torch


def median_seconds(function: Callable[[], object], repeats: int) -> float:
    """Median wall time of a call, after two calls that do not count; waits for the GPU where there is one."""
    times = []
    for repeat in range(-2, repeats):
        start = time.perf_counter()
        function()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        if repeat >= 0:
            times.append(time.perf_counter() - start)
    return statistics.median(times)
