"""SIGTERM and SIGHUP end a process as Ctrl-C does, so that nothing is left half done and a record says how it ended."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_STOPS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stops_interrupt() -> Iterator[None]:
    """Makes SIGTERM and SIGHUP raise a KeyboardInterrupt with their number; what is ignored (nohup) stays so."""
    with _handled(_interrupt, [number for number in _STOPS if signal.getsignal(number) is not signal.SIG_IGN]):
        yield


@contextmanager
def stops_ignored() -> Iterator[None]:
    """Lets what is begun be finished: a terminal that closes, or a cluster, may send the same signal twice."""
    with _handled(signal.SIG_IGN, [signal.SIGINT, *_STOPS]):
        yield


def exit_status(interrupt: KeyboardInterrupt) -> int:
    """The status with which a shell expects a process to end that a signal stopped: 130 for Ctrl-C, 143, 129."""
    return 128 + next((number for number in interrupt.args if isinstance(number, int)), signal.SIGINT)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt(number)


@contextmanager
def _handled(handler: Callable | signal.Handlers, numbers: list[signal.Signals]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # which alone may set handlers, and receives signals
        yield
        return
    earlier: dict[signal.Signals, Any] = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, its_own in earlier.items():
            signal.signal(number, its_own)
