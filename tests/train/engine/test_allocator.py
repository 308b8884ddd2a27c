"""What a step frees stays with the process: the next step faults in no pages."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

#: Frees tens of MiB at a time, as steps do, and prints how many pages ten times fault in.
_STEPS = """
import resource, sys
import numpy as np
if sys.argv[1] == "keep":
    from aisle.train.engine.allocator import keep_freed_memory
    keep_freed_memory()

def step():
    parts = [np.ones(1 << 20, np.float32) for _ in range(12)]

for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_freed_memory_is_kept() -> None:
    faults = {
        how: int(subprocess.run([sys.executable, "-c", _STEPS, how], capture_output=True, check=True, text=True).stdout)
        for how in ("keep", "as it is")
    }
    assert faults["keep"] < 1000
    assert faults["as it is"] > 10 * faults["keep"]
