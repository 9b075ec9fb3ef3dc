"""Freed memory stays with the process, where the C library can be told so."""

import subprocess
import sys

import pytest

_FAULTS = """
import resource, sys
import torch
from yolo_plugins.engine.memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
for _ in range(2):
    torch.ones(16_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(16_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_memory_is_not_faulted_in_again():
    kept, returned = (
        int(subprocess.run([sys.executable, "-c", _FAULTS, how], capture_output=True, text=True, check=True).stdout)
        for how in ("keep", "return")
    )
    assert kept < returned / 4  # a block may land at a new place once or twice
