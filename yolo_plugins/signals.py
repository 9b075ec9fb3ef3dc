"""SIGTERM and SIGHUP end a process as Ctrl-C does, so that nothing is left half done and a record says how it ended."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_STOPS = [
    signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]  # not all on Windows
_asked: list[int] = []  # the signals that came: a bare `except:` in the code of others may swallow the interrupt


@contextmanager
def stops_interrupt() -> Iterator[None]:
    """Makes each signal to stop a KeyboardInterrupt with its number; what is ignored (nohup) stays so.

    An error that comes of an interrupt leaves as that interrupt.
    """
    with _handled(_interrupt, [number for number in _STOPS if signal.getsignal(number) is not signal.SIG_IGN]):
        try:
            yield
        except Exception:
            raise_if_asked()
            raise
        finally:
            _asked.clear()


@contextmanager
def stops_ignored() -> Iterator[None]:
    """Lets what is begun be finished: a terminal that closes, or a cluster, may send the same signal twice."""
    with _handled(_ignore, _STOPS):
        yield


def raise_if_asked() -> None:
    """Raises the KeyboardInterrupt again where a signal to stop came within `stops_interrupt`."""
    if _asked:
        raise KeyboardInterrupt(_asked[-1])


def exit_status(interrupt: KeyboardInterrupt) -> int:
    """The status with which a shell expects a process to end that a signal stopped: 130 for Ctrl-C, 143, 129."""
    return 128 + next((number for number in interrupt.args if isinstance(number, int)), signal.SIGINT)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _asked.append(number)
    if hasattr(signal, "SIGCHLD"):
        signal.signal(signal.SIGCHLD, _ignore)  # in place of torch's: workers that the same signal ended are no error
    raise KeyboardInterrupt(number)


def _ignore(number: int, frame: FrameType | None) -> None:
    """Not SIG_IGN, about which Python complains where the signal is on its way already."""


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None], numbers: list[signal.Signals]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # which alone may set handlers, and receives signals
        yield
        return
    earlier: dict[signal.Signals, Any] = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, its_own in earlier.items():
            signal.signal(number, its_own)


# Python forgets a signal that reaches a child before it has run: its own handler has taken it by then. A data loader's
# worker that is ended so early would live on, and the exit of its process wait for it for ever.
_masks: list[set[int]] = []


def _hold_sigterm() -> None:
    _masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM}))


def _let_sigterm() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _masks.pop())


def _let_sigterm_end_a_child() -> None:
    if signal.getsignal(signal.SIGTERM) is _interrupt:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _let_sigterm()


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(before=_hold_sigterm, after_in_parent=_let_sigterm, after_in_child=_let_sigterm_end_a_child)
