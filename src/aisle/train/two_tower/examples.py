"""Examples of a two-tower model: what a visitor had done at a time, and what the visitor took in the days after it.

Legend of shapes: B queries of a batch, Q queries, P positives of a query, N history entries, M takings, C candidates,
V item rows, H pools, G query facts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.data.snapshots import Snapshot
from aisle.pipeline.history_pools import HistoryPools
from aisle.retrieval import Signals, signal_events
from aisle.schema import DAY_MS


@dataclass(frozen=True)
class TowerBatch:
    """Queries and the candidates that they share; see ``nn.softmax_losses`` for the last four."""

    history_rows_N: NDArray[np.int64]
    starts_B: NDArray[np.int64]
    weights_HN: NDArray[np.float32]
    query_facts_BG: NDArray[np.float32]
    candidates_C: NDArray[np.int64]
    positives_BP: NDArray[np.int64]
    hits_BC: NDArray[np.bool_]
    log_inclusion_C: NDArray[np.float32]


@dataclass(frozen=True)
class BatchSettings:
    """How batches are drawn.

    Attributes:
        batch_size: B.
        num_positives: P; drawn anew, with replacement, from what the visitor took within the horizon.
        num_negatives: So many items are drawn uniformly as candidates beside the positives.
        horizon_days: A query's positives are what was taken in so many days after it. Each query is asked at a random
            time, at most so long before the taking that it was made of: as the shop asks, at any time.
    """

    batch_size: int
    num_positives: int
    num_negatives: int
    horizon_days: float


class TowerExamples:
    """A snapshot's histories and takings, from which batches are drawn.

    Args:
        snapshot: What may be known: nothing at or after its time is read.
        signals: Strengths of event types, and which one the shop wants.
        known_V: Items of which nothing is known (no id, no content) are neither history nor candidates.
        pools: How histories are pooled.
        settings: How batches are drawn.
        max_queries: At most so many queries, the latest.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        signals: Signals,
        known_V: NDArray[np.bool_],
        pools: HistoryPools,
        settings: BatchSettings,
        *,
        max_queries: int,
    ) -> None:
        events = _known(visitor_events(snapshot, signals), known_V)
        self._pools, self._settings = pools, settings
        self._first_ms = int(events["time_ms"].min() or 0)  # type: ignore[arg-type]
        self._until_ms = snapshot.until_ms
        # Visitors beside each other, so that a history is a range of entries and a search finds where it ends.
        self._span_ms = self._until_ms - self._first_ms + 1
        self._items_N = events["item"].to_numpy().astype(np.int64)
        self._times_N = events["time_ms"].to_numpy() - self._first_ms
        self._strengths_N = events["strength"].to_numpy()
        visitors_N = events["visitor"].to_numpy().astype(np.int64)
        self._keys_N = visitors_N * self._span_ms + self._times_N
        self._first_N = np.searchsorted(visitors_N, visitors_N)  # where each entry's visitor starts
        is_taken_N = (events["type"] == signals.target).to_numpy()
        self._taken_keys_M, self._taken_items_M = self._keys_N[is_taken_N], self._items_N[is_taken_N]
        self._queries_Q = self._find_queries(is_taken_N, max_queries)
        self._sellable = np.flatnonzero(known_V)
        self._share_V = self._count_shares(len(known_V))

    def _find_queries(self, is_taken_N: NDArray[np.bool_], max_queries: int) -> NDArray[np.int64]:
        """The first entry of each visitor's taking at one time, where something came before it."""
        taken = np.flatnonzero(is_taken_N)
        taken = taken[np.unique(self._keys_N[taken], return_index=True)[1]]
        taken = taken[self._times_N[taken] > self._times_N[self._first_N[taken]]]
        if len(taken) > max_queries:
            taken = np.sort(taken[np.argsort(self._times_N[taken], kind="stable")[-max_queries:]])
        return taken

    @property
    def num_queries(self) -> int:
        """Q."""
        return len(self._queries_Q)

    @property
    def num_batches(self) -> int:
        """Of one epoch."""
        return -(-self.num_queries // self._settings.batch_size)

    def epoch(self, draw: np.random.Generator) -> Iterator[TowerBatch]:
        """All queries once, in a random order, each at a new random time."""
        order = draw.permutation(self.num_queries)
        for start in range(0, len(order), self._settings.batch_size):
            yield self._batch(self._queries_Q[order[start : start + self._settings.batch_size]], draw)

    def _ask(self, entries_B: NDArray[np.int64], draw: np.random.Generator) -> NDArray[np.int64]:
        """The time of each query as a key: after the visitor's first entry, and not after the taking."""
        lead = (draw.random(len(entries_B)) * self._settings.horizon_days * DAY_MS).astype(np.int64)
        earliest = self._times_N[self._first_N[entries_B]] + 1
        asked = np.maximum(self._times_N[entries_B] - lead, earliest)
        keys_B: NDArray[np.int64] = self._keys_N[entries_B] - self._times_N[entries_B] + asked
        return keys_B

    def _taken_after(self, keys_B: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The range of each query's positives."""
        horizon = min(int(self._settings.horizon_days * DAY_MS), self._span_ms)
        ends = np.minimum(keys_B + horizon, (keys_B // self._span_ms + 1) * self._span_ms - 1)
        return np.searchsorted(self._taken_keys_M, keys_B), np.searchsorted(self._taken_keys_M, ends, side="right")

    def _draw_positives(
        self, starts_B: NDArray[np.int64], ends_B: NDArray[np.int64], draw: np.random.Generator
    ) -> NDArray[np.int64]:
        share_BP = draw.random((len(starts_B), self._settings.num_positives))
        drawn_BP = starts_B[:, None] + (share_BP * (ends_B - starts_B)[:, None]).astype(np.int64)
        positives_BP: NDArray[np.int64] = self._taken_items_M[drawn_BP]
        return positives_BP

    def _count_shares(self, num_rows: int) -> NDArray[np.float64]:
        """How often each item is drawn as a positive, counted in a pass over all queries."""
        draw = np.random.default_rng(0)
        starts, ends = self._taken_after(self._ask(self._queries_Q, draw))
        counts = np.bincount(self._draw_positives(starts, ends, draw).ravel(), minlength=num_rows) + 1.0
        shares: NDArray[np.float64] = counts / counts.sum()
        return shares

    def _batch(self, entries_B: NDArray[np.int64], draw: np.random.Generator) -> TowerBatch:
        keys_B = self._ask(entries_B, draw)
        rows_N, starts_B, weights_HN, facts_BG = self._histories(entries_B, keys_B)
        first_B, last_B = self._taken_after(keys_B)
        positives_BP = self._draw_positives(first_B, last_B, draw)
        uniform = draw.choice(self._sellable, self._settings.num_negatives)
        candidates_C = np.unique(np.concatenate([positives_BP.ravel(), uniform]))
        return TowerBatch(
            rows_N,
            starts_B,
            weights_HN,
            facts_BG,
            candidates_C,
            np.searchsorted(candidates_C, positives_BP),
            self._hits(first_B, last_B, candidates_C),
            self._log_inclusion(candidates_C, positives_BP.size),
        )

    def _histories(
        self, entries_B: NDArray[np.int64], keys_B: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        """Everything strictly before the query's time, the last entries only."""
        ends_B = np.searchsorted(self._keys_N, keys_B)
        firsts_B = np.maximum(self._first_N[entries_B], ends_B - self._pools.max_entries)
        entries_N, starts_B = ragged(firsts_B, ends_B)
        asked_N = np.repeat(keys_B % self._span_ms, ends_B - firsts_B)
        ages_N = (asked_N - self._times_N[entries_N]) / DAY_MS
        weights_HN, facts_BG = self._pools.weigh(ages_N, self._strengths_N[entries_N], starts_B)
        return self._items_N[entries_N], starts_B, weights_HN, facts_BG

    def _hits(
        self, first_B: NDArray[np.int64], last_B: NDArray[np.int64], candidates_C: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """All that the visitor takes within the horizon, drawn as a positive or not."""
        taken, _ = ragged(first_B, last_B)
        items = self._taken_items_M[taken]
        columns = np.minimum(np.searchsorted(candidates_C, items), len(candidates_C) - 1)
        found = candidates_C[columns] == items
        hits_BC = np.zeros((len(first_B), len(candidates_C)), np.bool_)
        hits_BC[np.repeat(np.arange(len(first_B)), last_B - first_B)[found], columns[found]] = True
        return hits_BC

    def _log_inclusion(self, candidates_C: NDArray[np.int64], num_positives: int) -> NDArray[np.float32]:
        """The log of the probability that one of the batch's draws brings the item."""
        in_batch_C = num_positives * np.log1p(-self._share_V[candidates_C])
        uniform = self._settings.num_negatives * np.log1p(-1 / max(len(self._sellable), 2))
        log_inclusion_C: NDArray[np.float32] = np.log(-np.expm1(in_batch_C + uniform)).astype(np.float32)
        return log_inclusion_C


def visitor_events(snapshot: Snapshot, signals: Signals) -> pl.DataFrame:
    """The events that say something of a visitor, each line once, ordered by visitor and time."""
    events = signal_events(snapshot, signals).filter(pl.col("visitor") >= 0)
    events = events.unique(["visitor", "item", "time_ms", "type"], keep="first", maintain_order=True)
    return events.sort("visitor", "time_ms", maintain_order=True)


def _known(events: pl.DataFrame, known_V: NDArray[np.bool_]) -> pl.DataFrame:
    return events.filter(pl.Series(known_V[events["item"].to_numpy()], dtype=pl.Boolean))


def ragged(firsts_B: NDArray[np.int64], ends_B: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The ranges written out one after the other, and where each starts.

    >>> ragged(np.array([5, 0]), np.array([7, 3]))
    (array([5, 6, 0, 1, 2]), array([0, 2]))
    """
    lengths = ends_B - firsts_B
    starts = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) - np.repeat(starts - firsts_B, lengths), starts
