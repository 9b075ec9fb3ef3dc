"""How long a call takes, by a clock that the call itself moves."""

from types import SimpleNamespace

from yolo_plugins.costs import latency


def test_latency_is_the_median_of_the_calls_after_the_two_that_do_not_count(monkeypatch):
    seconds, now = iter([100.0, 50.0, 1.0, 9.0, 2.0]), [0.0]

    def call() -> None:
        now[0] += next(seconds)

    monkeypatch.setattr(latency, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    assert latency.median_seconds(call, repeats=3) == 2.0
