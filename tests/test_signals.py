"""Signals to stop, and the processes that a training forks."""

import signal
import subprocess
import sys

# A child that lives on ends by itself, with 7.
FORKS = """
import os, signal, time
from yolo_plugins.signals import stops_interrupt

with stops_interrupt():
    for _ in range(5):
        child = os.fork()
        if child == 0:
            time.sleep(1)
            os._exit(7)
        os.kill(child, signal.SIGTERM)  # before it has run
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_child_is_ended_by_sigterm_however_early_it_comes():
    result = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, timeout=60)
    assert result.stdout.split() == [str(-signal.SIGTERM)] * 5, result.stderr
