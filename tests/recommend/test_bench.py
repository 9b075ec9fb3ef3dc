"""Which networks are measured, together with which, and what is kept of it; every measurement is a fake."""

import math

import pytest

from yolo_plugins.errors import UsageError


def test_networks_are_measured_in_turns_in_few_groups_by_their_order(make_bench, make_network):
    networks = [make_network(f"n{index}") for index in range(10)]
    seen = make_bench({"n4": 3.0})
    found = seen.bench.run(networks, 10.0, math.inf)
    assert seen.groups == [[f"n{index}" for index in range(8)], ["n8", "n9"]]
    assert list(found) == [network.name for network in networks]
    assert found["n4"].latency.median_ms == 3.0
    assert found["n4"].n_bytes == 1_000_000


def test_of_a_hopeless_network_one_call_is_enough(make_bench, make_network):
    seen = make_bench({"slow": 51.0, "near": 49.0})
    found = seen.bench.run([make_network("slow"), make_network("near")], 10.0, math.inf)
    assert seen.groups == [["near"]]
    assert (found["slow"].latency.rounds, found["slow"].latency.median_ms) == (1, 51.0)
    assert found["slow"].n_bytes == 24  # of the weights and biases of two by two


def test_a_single_call_counts_again_only_where_the_network_is_still_hopeless(make_bench, make_network):
    networks = [make_network("slow")]
    make_bench({"slow": 51.0}).bench.run(networks, 10.0, math.inf)
    again = make_bench({"slow": 51.0})
    assert again.bench.run(networks, 10.0, math.inf)["slow"].latency.rounds == 1
    assert again.built == []
    found = again.bench.run(networks, 20.0, math.inf)
    assert again.groups == [["slow"]] and found["slow"].latency.rounds == 100


def test_figures_of_an_idle_machine_are_used_by_the_next_call(make_bench, make_network):
    networks = [make_network("a"), make_network("b")]
    first = make_bench({"a": 2.0}).bench.run(networks, 10.0, math.inf)
    again = make_bench({"a": 7.0})
    assert again.bench.run(networks, 10.0, math.inf) == first
    assert (again.built, again.groups) == ([], [])


def test_figures_of_a_busy_machine_are_told_and_not_kept(make_bench, make_network, busy):
    networks = [make_network("a")]
    disturbed = make_bench({"a": 9.0}, busy)
    assert disturbed.bench.run(networks, 10.0, math.inf)["a"].latency.median_ms == 9.0
    assert disturbed.bench.busy == [busy]
    again = make_bench({"a": 2.0})
    assert again.bench.run(networks, 10.0, math.inf)["a"].latency.median_ms == 2.0
    assert again.built == ["a"] and again.bench.busy == []


def test_nothing_is_built_after_the_deadline_but_what_is_known_counts(make_bench, make_network):
    make_bench({}).bench.run([make_network("known")], 10.0, math.inf)
    seen = make_bench({})
    found = seen.bench.run([make_network("known"), make_network("new")], 10.0, -math.inf)
    assert (list(found), seen.built) == (["known"], [])


def test_a_network_that_fails_is_told_and_the_others_are_measured(make_bench, make_network):
    seen = make_bench({})
    plain = seen.bench.ready_network

    def ready_network(built, network, setting):
        if network.name == "bad":
            raise UsageError("bad: it cannot be converted")
        return plain(built, network, setting)

    seen.bench.ready_network = ready_network
    found = seen.bench.run([make_network("bad"), make_network("good")], 10.0, math.inf)
    assert list(found) == ["good"]
    assert seen.bench.failed == {"bad": "bad: it cannot be converted"}


@pytest.mark.parametrize(("runtime", "device", "asked"), [("torch", "cuda", "cuda"), ("onnxruntime", "cuda", "cpu")])
def test_only_calls_of_torch_are_timed_by_the_device(make_bench, make_network, monkeypatch, runtime, device, asked):
    from yolo_plugins.recommend import networks
    from yolo_plugins.recommend.networks import Setting

    pytest.importorskip(runtime)
    monkeypatch.setattr(networks, "device_name", lambda device: "a GPU")
    devices = []
    seen = make_bench({}, setting=Setting(runtime, "f32", device, 1))
    plain = seen.bench.measure

    def measure(calls, device, **more):
        devices.append(device)
        return plain(calls, **more)

    seen.bench.measure = measure
    seen.bench.run([make_network("a")], 10.0, math.inf)
    assert devices == [asked]
