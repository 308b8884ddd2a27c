"""Numbers identical rows of one file, exactly across chunks, kills and resumes, in bounded memory.

Each chunk leaves a sorted array of its rows' keys beside the import. A later chunk looks its own keys up in the arrays
whose times overlap with its own, which in a file in the order of time are very few. The array is on the disk before
the chunk's rows are committed, and the import's mark names the arrays that count: what a killed chunk left behind is
not named, and is overwritten.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

#: One array as the import's mark keeps it: file name, first and last time of its rows.
Entry = tuple[str, int, int]


@dataclass
class Occurrences:
    """The arrays of one import.

    Args:
        folder: where the arrays are; made when the first is kept.
        entries: the arrays that count, from the import's mark.
    """

    folder: Path
    entries: list[Entry]

    def number(self, times_ms: np.ndarray, digests: np.ndarray) -> np.ndarray:
        """How many identical rows of the file came before each of some rows, which are then kept in their turn.

        Args:
            times_ms: int64, the rows' times.
            digests: uint64, the digests of their content.

        Returns:
            int64, 0 for a row that is the first of its kind.
        """
        if len(times_ms) == 0:
            return np.zeros(0, np.int64)
        keys = _mix(times_ms) ^ digests
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        is_first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
        starts = np.flatnonzero(is_first)
        groups = np.cumsum(is_first) - 1
        within = np.arange(len(ordered)) - starts[groups]
        distinct = ordered[starts]
        earlier = self._count(distinct, int(times_ms.min()), int(times_ms.max()))
        occurrences = np.empty(len(keys), np.int64)
        occurrences[order] = within + earlier[groups]
        self._keep(ordered, int(times_ms.min()), int(times_ms.max()))
        return occurrences

    def _count(self, keys: np.ndarray, first_ms: int, last_ms: int) -> np.ndarray:
        counts = np.zeros(len(keys), np.int64)
        for name, first, last in self.entries:
            if first <= last_ms and last >= first_ms:
                array = np.load(self.folder / name, mmap_mode="r", allow_pickle=False)
                counts += np.searchsorted(array, keys, "right") - np.searchsorted(array, keys, "left")
        return counts

    def _keep(self, keys: np.ndarray, first_ms: int, last_ms: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{len(self.entries):06d}.npy"
        temporary = self.folder / f"{name}.tmp"
        with temporary.open("wb") as stream:
            np.save(stream, keys, allow_pickle=False)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(self.folder / name)
        sync_folder(self.folder)
        self.entries = [*self.entries, (name, first_ms, last_ms)]


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mix(times_ms: np.ndarray) -> np.ndarray:
    """Spread times over all 64 bits (the finaliser of splitmix64), so that time and content make one key."""
    with np.errstate(over="ignore"):
        mixed = times_ms.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))
