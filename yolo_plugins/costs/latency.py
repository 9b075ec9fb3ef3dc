"""How long calls take beside one another, and how busy the machine was meanwhile.

A figure can be trusted if another run repeats it: calls take turns, so that what slows the machine down slows all of
them; each gives the median of its rounds, with an interval; and the share of the machine that others used is told.
"""

import itertools
import math
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import torch
from torch import nn

_MOST_USED_BY_OTHERS = 0.05  # of all cores; on two, a tenth of one
_LEAST_ROUNDS = 6  # that have an interval: both ends of five hold the median at 94 %
_NEXT_LOOK = 1.25  # times the rounds: who looks after each one stops where chance narrows the interval (91 % hold)
_WARM_SECONDS = 0.03  # after another network the first call of 2 to 4 ms took 1.4 times as long, the fifth no longer
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


@dataclass(frozen=True)
class Latency:
    """Time of one call in milliseconds, over the rounds.

    Attributes:
        median_ms: What is reported.
        low_ms: Lower end of the median's 95 % interval, by order statistics.
        high_ms: Its upper end.
        q1_ms: Lower quartile of the rounds.
        q3_ms: Upper quartile.
        rounds: How often the call was timed.
    """

    median_ms: float
    low_ms: float
    high_ms: float
    q1_ms: float
    q3_ms: float
    rounds: int


@dataclass(frozen=True)
class MachineState:
    """How busy the machine was beside this process for a while.

    Attributes:
        others: Share of all cores that other processes used, 0..1; children of this one are others, unless
            `with_children`.
        stolen: Share that the host of a virtual machine withheld, 0..1.
        cores: Number of them.
        load: Tasks that ran or waited, mean of the last minute; this process is among them.
        frequency_mhz: Of the cores at the end; None where it cannot be read.
        governor: Of the frequency, such as `performance`; None where it cannot be read.
    """

    others: float
    stolen: float
    cores: int
    load: float
    frequency_mhz: float | None
    governor: str | None

    @property
    def is_idle(self) -> bool:
        """Whether others left at least 95 % of the cores alone: what is measured then is the machine's own speed."""
        return self.others + self.stolen <= _MOST_USED_BY_OTHERS

    def __str__(self) -> str:
        frequency = f"{self.frequency_mhz:.0f} MHz" if self.frequency_mhz else "frequency unreadable"
        return (
            f"other processes used {self.others:.0%} of {self.cores} cores, {self.stolen:.0%} were withheld, "
            f"load {self.load:.1f}, {frequency}, governor {self.governor or 'unreadable'}"
        )


def measure_latency(
    calls: Mapping[str, Callable[[], object]],
    *,
    device: str | torch.device = "cpu",
    width: float = 0.05,
    rounds: tuple[int, int] = (20, 10_000),
    seconds: tuple[float, float] = (1.0, 60.0),
    seed: int = 0,
) -> dict[str, Latency]:
    """Times calls in turns, until the median of each is known well enough or the time is up.

    In each round every call is timed once, in an order of its own. Where there are several, untimed ones go before it
    for 30 ms, at least one, since caches hold what the call before needed, and its threads may still spin.

    Args:
        calls: What to time, by name; each waits for its result itself, unless it runs on torch's CUDA stream.
        device: `cuda` or `cuda:N` for calls of torch that run there: CUDA's events time them. Else the clock does.
        width: Of the 95 % interval over the median, which every call has to reach.
        rounds: Least, done even when the time is up and never below 6, and most.
        seconds: Least and most. What disturbs a machine comes and goes: a median of a moment is one of that moment.
        seed: Of the orders.

    Returns:
        The latency of each call, by its name.
    """
    least, most = max(rounds[0], _LEAST_ROUNDS), max(rounds)
    time_once = _timer(torch.device(device))
    order = list(calls)
    shuffle = random.Random(seed).shuffle
    for call in [*calls.values()] * 2:
        call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    begin, look = time.perf_counter(), least
    for done in itertools.count(1):
        shuffle(order)
        for name in order:
            if len(order) > 1:
                _warm_up(calls[name])
            times[name].append(time_once(calls[name]))
        elapsed = time.perf_counter() - begin
        is_last = done >= least and (done >= most or elapsed >= seconds[1])
        if is_last or (done >= look and elapsed >= seconds[0]):
            found = {name: _summary(values) for name, values in times.items()}
            if is_last or all(one.high_ms - one.low_ms <= width * one.median_ms for one in found.values()):
                break
            look = math.ceil(_NEXT_LOOK * done)
    return found


def watch_machine(with_children: bool = False) -> Callable[[], MachineState]:
    """Begins to watch how busy the machine is; calling what it returns tells how it was since then.

    Args:
        with_children: Whether processes that this one starts and awaits meanwhile are no others.
    """
    begin, own, used, stolen = time.perf_counter(), _own_seconds(with_children), *_cpu_seconds()
    cores = psutil.cpu_count() or 1

    def state() -> MachineState:
        used_now, stolen_now = _cpu_seconds()
        by_others = used_now - used - (_own_seconds(with_children) - own)
        available = max(time.perf_counter() - begin, 1e-9) * cores
        return MachineState(
            others=min(max(by_others / available, 0.0), 1.0),
            stolen=min((stolen_now - stolen) / available, 1.0),
            cores=cores,
            load=psutil.getloadavg()[0],
            frequency_mhz=_frequency_mhz(),
            governor=_GOVERNOR.read_text().strip() if _GOVERNOR.is_file() else None,
        )

    return state


def machine_state(seconds: float = 1.0) -> MachineState:
    """How busy the machine is now, while this process waits for so many seconds."""
    state = watch_machine()
    time.sleep(seconds)
    return state()


def precision_of(network: nn.Module) -> str:
    """What the products of a network are computed in: `float32`, `tf32`, `bfloat16`, `float16`.

    TF32 is what CUDA devices since Ampere take for convolutions in float32, unless torch is told not to.
    """
    weight = next(network.parameters())
    if weight.is_cuda and weight.dtype == torch.float32 and torch.backends.cudnn.allow_tf32:
        return "tf32" if torch.cuda.get_device_capability(weight.device) >= (8, 0) else "float32"
    return str(weight.dtype).removeprefix("torch.")


def _warm_up(call: Callable[[], object]) -> None:
    begin = time.perf_counter()
    call()
    while time.perf_counter() - begin < _WARM_SECONDS:
        call()


def _timer(device: torch.device) -> Callable[[Callable[[], object]], float]:
    """What times one call, in milliseconds."""
    return (lambda call: _by_events(call, device)) if device.type == "cuda" else _by_clock


def _by_clock(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - begin)


def _by_events(call: Callable[[], object], device: torch.device) -> float:
    with torch.cuda.device(device):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        begin.record()
        call()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end)


def _summary(times_ms: list[float]) -> Latency:
    times = np.sort(times_ms)
    rank = _lower_rank(len(times))
    q1, median, q3 = np.quantile(times, (0.25, 0.5, 0.75)).tolist()
    return Latency(
        median_ms=median,
        low_ms=float(times[rank - 1]),
        high_ms=float(times[-rank]),
        q1_ms=q1,
        q3_ms=q3,
        rounds=len(times),
    )


def _lower_rank(count: int) -> int:
    """An r such that the r-th smallest and the r-th largest of six or more hold the median at 95 % or little more."""
    return max(1, math.floor((count + 1) / 2 - 1.96 * math.sqrt(count) / 2))


def _own_seconds(with_children: bool) -> float:
    """CPU time of this process so far, over all its threads; with that of the processes that it awaited the end of."""
    times = os.times()
    own = times.user + times.system
    return own + times.children_user + times.children_system if with_children else own


def _cpu_seconds() -> tuple[float, float]:
    """(used, withheld by the host) of all cores since the start of the machine."""
    times = psutil.cpu_times()
    used = sum(getattr(times, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq"))
    return used, getattr(times, "steal", 0.0)


def _frequency_mhz() -> float | None:
    try:
        frequency = psutil.cpu_freq()
    except (AttributeError, NotImplementedError, OSError, RuntimeError):  # as the platform has it
        return None
    return frequency.current if frequency else None
