"""Latencies by a clock that the calls themselves move, and machines that are made up."""

import contextlib
import itertools
import math
import random
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from yolo_plugins.costs import latency
from yolo_plugins.costs.latency import MachineState, measure_latency, precision_of, watch_machine

IDLE = MachineState(others=0.01, stolen=0.0, cores=2, load=0.4, frequency_mhz=2600.4, governor=None)


class Clock:
    """Stands in for `time`: it moves when a call takes its time, or when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def call(self, seconds):
        """A call that takes the next of these seconds."""

        def run() -> None:
            self.now += next(seconds)

        return run


@pytest.fixture
def clock(monkeypatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr(latency, "time", fake)
    return fake


def always(value: float):
    while True:
        yield value


def scattered(median: float, sigma: float, seed: int):
    rng = random.Random(seed)
    while True:
        yield median * math.exp(rng.gauss(0, sigma))


def test_a_call_alone_is_timed_every_time_after_two_that_do_not_count(clock):
    found = measure_latency({"one": clock.call(iter([9, 9, 1, 5, 2, 4, 3, 60]))}, rounds=(6, 6))["one"]
    assert found.rounds == 6
    assert (found.low_ms, found.median_ms, found.high_ms) == (1e3, 3.5e3, 60e3)
    assert (found.q1_ms, found.q3_ms) == (2.25e3, 4.75e3)


def test_models_take_turns_in_orders_of_their_own_each_after_an_untimed_call_of_itself(clock):
    ran = []

    def model(name: str):
        def run() -> None:
            ran.append(name)
            clock.now += 1.0

        return run

    calls = {name: model(name) for name in "abc"}
    measure_latency(calls, rounds=(20, 20))
    assert ran[:6] == list("abcabc")
    pairs = list(zip(ran[6::2], ran[7::2], strict=True))
    assert len(pairs) == 60 and all(untimed == timed for untimed, timed in pairs)
    orders = ["".join(name for name, _ in pairs[start : start + 3]) for start in range(0, 60, 3)]
    assert all(sorted(order) == list("abc") for order in orders) and len(set(orders)) > 3
    again = list(ran)
    ran.clear()
    measure_latency(calls, rounds=(20, 20))
    assert ran == again


def test_a_short_call_is_repeated_until_it_has_settled(clock):
    """A network of 4 ms is slow in its first five calls after another one."""
    calls, last = [], []

    def model(name: str):
        def run() -> None:
            calls.append(name)
            last[:] = [*last, name] if last[-1:] == [name] else [name]
            clock.now += 0.004 if len(last) > 5 else 0.005

        return run

    found = measure_latency({"a": model("a"), "b": model("b")}, rounds=(50, 50), seconds=(0, 1e9))
    assert [one.median_ms for one in found.values()] == [pytest.approx(4)] * 2


def test_only_the_call_that_follows_one_of_its_own_counts(clock):
    """One that comes after another model finds cold caches and takes ten times as long."""
    last = []

    def model(name: str):
        def run() -> None:
            clock.now += 1.0 if last == [name] else 10.0
            last[:] = [name]

        return run

    found = measure_latency({name: model(name) for name in "abc"}, seconds=(0, 1e9))
    assert [one.high_ms for one in found.values()] == [1e3] * 3


def test_a_machine_that_slows_down_slows_all_models_alike(clock):
    def drifting(seconds: float):
        while True:
            yield seconds * (1 + clock.now / 1000)

    calls = {"half": clock.call(drifting(0.5)), "whole": clock.call(drifting(1.0))}
    found = measure_latency(calls, rounds=(300, 300))
    assert found["whole"].median_ms / found["half"].median_ms == pytest.approx(2, rel=0.01)


def test_it_goes_on_until_every_median_is_known(clock):
    calls = {"steady": clock.call(always(0.01)), "noisy": clock.call(scattered(0.02, 0.3, seed=2))}
    found = measure_latency(calls, width=0.1, seconds=(0, 1e9))
    noisy = found["noisy"]
    assert found["steady"].rounds == noisy.rounds > 50
    assert noisy.high_ms - noisy.low_ms <= 0.1 * noisy.median_ms
    assert measure_latency(calls, width=0.5, seconds=(0, 1e9))["noisy"].rounds < noisy.rounds


def test_it_stops_when_the_time_is_up_but_not_before_the_least_rounds(clock):
    noisy = {"noisy": clock.call(scattered(1.0, 0.5, seed=1))}
    assert 30 < measure_latency(noisy, width=0.01, seconds=(0, 50))["noisy"].rounds < 70
    assert measure_latency(noisy, width=0.01, seconds=(0, 3))["noisy"].rounds == 20
    assert measure_latency(noisy, width=0.01, rounds=(2, 2), seconds=(0, 0))["noisy"].rounds == 6


def test_it_lasts_the_least_seconds_though_the_median_is_known(clock):
    assert measure_latency({"steady": clock.call(always(0.01))}, seconds=(2, 60))["steady"].rounds == 200


def test_cuda_is_timed_by_events_around_the_call_once_all_before_is_done(monkeypatch):
    done, names = [], itertools.cycle(["begin", "end"])

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing
            self.name = next(names)

        def record(self) -> None:
            done.append(f"record {self.name}")

        def synchronize(self) -> None:
            done.append(f"wait for {self.name}")

        def elapsed_time(self, end) -> float:
            assert (self.name, end.name) == ("begin", "end")
            return 2.5

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: done.append("wait for all"))
    monkeypatch.setattr(torch.cuda, "device", lambda device: contextlib.nullcontext())
    found = measure_latency({"one": lambda: done.append("call")}, device="cuda:1", rounds=(6, 6))["one"]
    assert (found.median_ms, found.rounds) == (2.5, 6)
    assert done == ["call"] * 2 + ["wait for all", "record begin", "call", "record end", "wait for end"] * 6


def test_the_interval_holds_the_true_median_as_often_as_it_says(clock):
    held = 0
    for seed in range(400):
        found = measure_latency({"one": clock.call(scattered(0.1, 0.2, seed))}, width=0.1, seconds=(0, 1e9))["one"]
        held += found.low_ms <= 100 <= found.high_ms
    assert held / 400 > 0.93


@pytest.mark.parametrize("count", [6, 7, 8, 9, 10, 15, 20, 33, 100, 199])
def test_the_ends_of_the_interval_have_the_coverage_of_order_statistics(count):
    rank = latency._lower_rank(count)
    outside = 2 * sum(math.comb(count, below) for below in range(rank)) / 2**count
    next_outside = outside + 2 * math.comb(count, rank + 1) / 2**count
    assert outside <= 0.05 < next_outside


@pytest.fixture
def machine(monkeypatch, clock) -> SimpleNamespace:
    """CPU seconds of a made-up machine of four cores, and of this process."""
    cpu = SimpleNamespace(user=1000.0, nice=50.0, system=100.0, idle=0.0, iowait=0.0, steal=7.0)
    own = SimpleNamespace(user=30.0, system=2.0, children_user=3.0, children_system=1.0)
    fake = SimpleNamespace(
        cpu_times=lambda: SimpleNamespace(**vars(cpu)),
        cpu_count=lambda: 4,
        cpu_freq=lambda: None,
        getloadavg=lambda: (1.5, 0, 0),
    )
    monkeypatch.setattr(latency, "psutil", fake)
    monkeypatch.setattr(latency, "os", SimpleNamespace(times=lambda: SimpleNamespace(**vars(own))))
    return SimpleNamespace(cpu=cpu, own=own, psutil=fake)


def test_what_this_process_uses_does_not_make_the_machine_busy(machine, clock):
    state = watch_machine()
    clock.now += 10
    machine.own.user += 20
    machine.cpu.user += 20
    found = state()
    assert (found.others, found.stolen, found.cores, found.load, found.is_idle) == (0, 0, 4, 1.5, True)


@pytest.mark.parametrize(("with_children", "others"), [(False, 0.5), (True, 0)])
def test_children_that_were_awaited_are_others_unless_they_are_asked_for(machine, clock, with_children, others):
    state = watch_machine(with_children)
    clock.now += 10
    machine.own.children_user += 15
    machine.own.children_system += 5
    machine.cpu.user += 20
    assert state().others == others


@pytest.mark.parametrize("name", ["user", "nice", "system", "steal"])
def test_what_others_use_or_the_host_withholds_makes_it_busy(machine, clock, name):
    state = watch_machine()
    clock.now += 10
    setattr(machine.cpu, name, getattr(machine.cpu, name) + 4)
    found = state()
    assert found.others + found.stolen == pytest.approx(0.1)
    assert (found.stolen > 0) == (name == "steal")
    assert not found.is_idle


def test_waiting_for_a_disk_is_not_work(machine, clock):
    state = watch_machine()
    clock.now += 10
    machine.cpu.idle += 20
    machine.cpu.iowait += 20
    assert state().others == 0


@pytest.mark.parametrize("error", [NotImplementedError, FileNotFoundError, RuntimeError])
def test_a_frequency_that_cannot_be_read_is_none(machine, clock, error):
    def unreadable():
        raise error

    machine.psutil.cpu_freq = unreadable
    clock.now += 1
    assert watch_machine()().frequency_mhz is None


def test_the_machine_is_told_in_a_sentence():
    assert str(IDLE) == (
        "other processes used 1% of 2 cores, 0% were withheld, load 0.4, 2600 MHz, governor unreadable"
    )


def test_this_machine_can_be_watched():
    found = latency.machine_state(seconds=0.05)
    assert 0 <= found.others <= 1 and 0 <= found.stolen <= 1 and found.cores >= 1 and found.load >= 0


def test_precision_is_that_of_the_weights():
    network = nn.Linear(2, 2)
    assert precision_of(network) == "float32"
    assert precision_of(network.bfloat16()) == "bfloat16"
