"""A line of the report, and the process of their own in which checks run: whatever one does, it ends as a line."""

import multiprocessing
import os
import re
import signal
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from yolo_plugins.errors import UsageError
from yolo_plugins.faults import describe, explain

_WIDTH, _INDENT = 110, 24  # characters
_SECONDS_TO_END = 5
_LONGEST = 400  # characters of what another package says


@dataclass(frozen=True)
class Line:
    """What one look found.

    Attributes:
        state: `note` is worth knowing, `fault` is to be mended.
        name: What was looked at.
        text: What was found; of a fault with the remedy.
    """

    state: Literal["ok", "note", "fault"]
    name: str
    text: str

    def __str__(self) -> str:
        """The line as it is printed, folded where it is long."""
        head = f"{self.state:<6} {self.name}"
        return textwrap.fill(
            f"{head:<{_INDENT - 1}} {self.text}",
            _WIDTH,
            subsequent_indent=" " * _INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )


@dataclass(frozen=True)
class Check:
    """One look at something.

    Attributes:
        name: Of the line, where the check cannot write one itself.
        look: Gives lines, none where there is nothing to tell; what it raises is a fault. A function of a module.
        remedy: For what it raises without one.
        seconds: Within which it has to end; None: any time.
    """

    name: str
    look: Callable[[], Iterable[Line]]
    remedy: str
    seconds: float | None = 60


def run_checks(checks: Sequence[Check]) -> Iterator[Line]:
    """Runs checks one after the other, in a process that is started anew where one of them kills or blocks it."""
    # macOS and Windows cannot fork in safety; a spawned process runs the program's own script once more
    context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    rest = list(checks)
    while rest:
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(sender, rest), daemon=True)
        process.start()
        sender.close()
        try:
            while rest:
                check = rest.pop(0)
                if not receiver.poll(check.seconds):
                    process.kill()
                    yield Line("fault", check.name, f"no answer within {check.seconds:g} s; {check.remedy}")
                    break
                yield from receiver.recv()
            process.join(_SECONDS_TO_END)
        except (EOFError, BrokenPipeError):
            process.join()
            yield Line("fault", check.name, f"ends its process with status {process.exitcode}; {check.remedy}")
        finally:
            process.kill()
            process.join()


def _work(sender: Connection, checks: Sequence[Check]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits
    sys.stdout = sys.stderr  # what packages print is no part of the report
    os.dup2(2, 1)  # nor what their libraries do
    for check in checks:
        sender.send([replace(line, text=without_names(line.text)) for line in _lines(check)])


def _lines(check: Check) -> list[Line]:
    lines: list[Line] = []
    try:
        lines.extend(check.look())
    except SystemExit as end:
        lines.append(Line("fault", check.name, f"exits with {end.code}; {check.remedy}"))
    except Exception as error:
        sentence = explain(error) if isinstance(error, UsageError | ImportError | OSError) else None
        own = f"{describe(error, 'yolo_plugins')[:_LONGEST]}; {check.remedy}"
        lines.append(Line("fault", check.name, sentence or own))
    return lines


def without_names(text: str) -> str:
    """A text whose paths do not tell who the user is: `~` for the home folder, `USER` for a folder of its name."""
    home = Path(os.path.expanduser("~"))
    if home.name:
        for folder in {str(home), os.path.realpath(home)}:
            text = re.sub(rf"{re.escape(folder)}(?![\w.-])", "~", text)
        text = re.sub(rf"(?<=[/\\]){re.escape(home.name)}(?=[/\\])", "USER", text)
    return text
