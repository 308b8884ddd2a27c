"""Counts and sums per key in bounded memory: what does not fit is spilled to disk, parted by the keys' hashes."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from aisle.features.fitting.hashing import hash_series

_NUM_PARTS = 64
_PART = "__part"


class SpilledRun:
    """Totals on disk, one file per part; the files live as long as something refers to the run.

    They lie in the system's folder for temporary files (``TMPDIR``), which workers that exchange partial fits share.
    """

    def __init__(self, totals: pl.DataFrame) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="aisle-totals-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        parts = pl.Series(_PART, (hash_series(totals["key"]) % np.uint64(_NUM_PARTS)).astype(np.uint8))
        for (part,), rows in totals.with_columns(parts).partition_by(_PART, as_dict=True, include_key=False).items():
            rows.write_ipc(self.folder / f"{part}.arrow")

    def read(self, part: int) -> pl.DataFrame | None:
        """The totals of one part, if there are any."""
        path = self.folder / f"{part}.arrow"
        return pl.read_ipc(path) if path.exists() else None


@dataclass(frozen=True)
class KeyTotals:
    """How often each key came, and the sum of a number over its rows.

    Args:
        totals: Columns ``key`` (text or integer), ``count`` and ``total``, each key once.
        runs: What was spilled; a key may be in several runs and in ``totals``.
        max_keys_in_memory: With more keys than this, ``totals`` goes to disk.
    """

    totals: pl.DataFrame
    runs: tuple[SpilledRun, ...]
    max_keys_in_memory: int

    @classmethod
    def of(cls, keys: pl.Series, numbers: pl.Series | None, max_keys_in_memory: int) -> KeyTotals:
        """The totals of one partition; rows without a key do not count."""
        rows = pl.DataFrame(
            {"key": keys, "total": pl.repeat(0.0, len(keys), eager=True) if numbers is None else numbers}
        )
        rows = rows.drop_nulls("key").with_columns(pl.col("total").cast(pl.Float64))
        grouped = rows.group_by("key").agg(pl.len().cast(pl.Int64).alias("count"), pl.col("total").sum())
        return cls(grouped, (), max_keys_in_memory)._bounded()

    def merge(self, other: KeyTotals) -> KeyTotals:
        """The totals of both together; neither is changed."""
        totals = _summed([self.totals, other.totals])
        return KeyTotals(totals, self.runs + other.runs, self.max_keys_in_memory)._bounded()

    def commonest(self, min_count: int = 1, max_size: int | None = None) -> pl.DataFrame:
        """The commonest keys with at least ``min_count`` rows, in falling order of count, then by key.

        Holds the answer and one part of the spilled keys in memory, never all keys.
        """
        best: pl.DataFrame | None = None
        for part in self._parts():
            chosen = part.filter(pl.col("count") >= min_count)
            best = chosen if best is None else pl.concat([best, chosen])
            if max_size is not None and len(best) > 2 * max_size:
                best = _ordered(best).head(max_size)
        assert best is not None, "there is at least one part"
        ordered = _ordered(best)
        return ordered if max_size is None else ordered.head(max_size)

    def _parts(self) -> Iterator[pl.DataFrame]:
        if not self.runs:
            yield self.totals
            return
        runs = [*self.runs, SpilledRun(self.totals)]
        for part in range(_NUM_PARTS):
            found = [rows for rows in (run.read(part) for run in runs) if rows is not None]
            yield _summed(found) if found else self.totals.clear()

    def _bounded(self) -> KeyTotals:
        if len(self.totals) <= self.max_keys_in_memory:
            return self
        return KeyTotals(self.totals.clear(), (*self.runs, SpilledRun(self.totals)), self.max_keys_in_memory)


def _summed(parts: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(parts).group_by("key").agg(pl.col("count").sum(), pl.col("total").sum())


def _ordered(totals: pl.DataFrame) -> pl.DataFrame:
    return totals.sort("count", "key", descending=[True, False])
