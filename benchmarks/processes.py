"""The memory and the processor time of a server's processes, read from /proc while it is under load (Linux)."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SAMPLE_SECONDS = 1.0
_MIB = 2**20


@dataclass
class Usage:
    """Samples of each process: resident bytes, once per :data:`SAMPLE_SECONDS`, and processor seconds in all."""

    resident: dict[int, list[int]] = field(default_factory=dict)
    cpu_seconds: dict[int, list[float]] = field(default_factory=dict)

    def sample(self, root: int) -> None:
        """Note a process and all its descendants."""
        for pid in tree(root):
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended
            self.resident.setdefault(pid, []).append(int(fields[21]) * os.sysconf("SC_PAGE_SIZE"))
            ticks = int(fields[11]) + int(fields[12])
            self.cpu_seconds.setdefault(pid, []).append(ticks / os.sysconf("SC_CLK_TCK"))

    def as_json(self) -> dict[str, Any]:
        """Per process MiB at the start, half way, at the end and at most; the cores that all used together."""
        return {
            "resident_mib": [
                {
                    "start": round(sizes[0] / _MIB, 1),
                    "half_way": round(sizes[len(sizes) // 2] / _MIB, 1),
                    "end": round(sizes[-1] / _MIB, 1),
                    "max": round(max(sizes) / _MIB, 1),
                }
                for sizes in self.resident.values()
            ],
            "cores_used": round(
                sum(
                    (spent[-1] - spent[0]) / max((len(spent) - 1) * SAMPLE_SECONDS, SAMPLE_SECONDS)
                    for spent in self.cpu_seconds.values()
                ),
                2,
            ),
        }


@contextmanager
def watch(root: int) -> Iterator[Usage]:
    """Sample a process and its descendants until the block ends."""
    usage, done = Usage(), threading.Event()

    def keep_sampling() -> None:
        usage.sample(root)
        while not done.wait(SAMPLE_SECONDS):
            usage.sample(root)

    thread = threading.Thread(target=keep_sampling)
    thread.start()
    try:
        yield usage
    finally:
        done.set()
        thread.join()
        usage.sample(root)


def tree(root: int) -> list[int]:
    """A process and its descendants."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found
