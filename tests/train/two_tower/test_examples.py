"""Examples of a two-tower model: what a query sees, what it is asked for, and what stands in its batch."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from aisle.data.snapshots import Snapshot
from aisle.pipeline.history_pools import HistoryPools
from aisle.train.two_tower.examples import BatchSettings, TowerBatch, TowerExamples
from tests.histories import SIGNALS, Line, snapshot_of

POOLS = HistoryPools((None,), 100)
SETTINGS = BatchSettings(batch_size=100, num_positives=4, num_negatives=0, horizon_days=10)
LINES = [
    *(Line(0, "u", "a"), Line(0, "u", "b"), Line(20, "u", "c"), Line(20, "u", "d"), Line(60, "u", "e")),
    *(Line(5, "v", "b"), Line(30, "v", "a", type="view"), Line(40, "w", "e")),
]


def examples_of(
    snapshot: Snapshot, settings: BatchSettings = SETTINGS, *, max_queries: int = 100, pools: HistoryPools = POOLS
) -> TowerExamples:
    known_V = np.arange(snapshot.num_items) >= 2
    return TowerExamples(snapshot, SIGNALS, known_V, pools, settings, max_queries=max_queries)


def only_batch(examples: TowerExamples, seed: int = 0) -> TowerBatch:
    (batch,) = examples.epoch(np.random.default_rng(seed))
    return batch


def histories(batch: TowerBatch, snapshot: Snapshot) -> list[str]:
    names = "".join(snapshot.item_ids[row] for row in batch.history_rows_N)
    bounds = [*batch.starts_B, len(names)]
    return [names[start:end] for start, end in pairwise(bounds)]


def test_a_query_sees_what_came_before_and_is_asked_for_what_comes_after() -> None:
    snapshot = snapshot_of(LINES, day=70)
    examples = examples_of(snapshot)
    assert examples.num_queries == 2, "u on days 20 and 60; v and w took nothing after something else"
    for seed in range(20):
        batch = only_batch(examples, seed)
        taken = {
            "".join(sorted({snapshot.item_ids[row] for row in batch.candidates_C[columns]}))
            for columns in batch.positives_BP
        }
        assert sorted(histories(batch, snapshot)) == ["ab", "abcd"]
        assert taken <= {"c", "d", "cd", "e"} and "e" in taken
        row_of = snapshot.item_row_of
        for history, hits_C in zip(histories(batch, snapshot), batch.hits_BC, strict=True):
            expected = {row_of[name] for name in ("cd" if history == "ab" else "e")}
            assert set(batch.candidates_C[hits_C]) == expected & set(batch.candidates_C)


def test_the_query_never_sees_its_positives_own_time() -> None:
    snapshot = snapshot_of([Line(0, "u", "a"), Line(1, "u", "b"), Line(1, "u", "c")], day=2)
    for seed in range(20):
        batch = only_batch(examples_of(snapshot), seed)
        assert histories(batch, snapshot) == ["a"]
        assert set(batch.candidates_C) <= {snapshot.item_row_of["b"], snapshot.item_row_of["c"]}


def test_the_time_of_asking_lies_within_the_horizon_before_the_taking() -> None:
    snapshot = snapshot_of([Line(0, "u", "a"), Line(30, "u", "b")], day=40)
    ages = [(np.expm1(only_batch(examples_of(snapshot), seed).query_facts_BG[0, 1] * 5)) for seed in range(200)]
    assert min(ages) >= 20 and max(ages) <= 30 and np.ptp(ages) > 8


def test_only_the_last_entries_are_read_and_only_the_latest_queries_kept() -> None:
    snapshot = snapshot_of(LINES, day=70)
    short = examples_of(snapshot, pools=HistoryPools((None,), 2), max_queries=1)
    assert histories(only_batch(short), snapshot) == ["cd"]


def test_inclusion_by_hand() -> None:
    # One query with four draws of b; each of three items is also drawn twice uniformly.
    snapshot = snapshot_of([Line(0, "u", "a"), Line(30, "u", "b"), Line(1, "w", "c")], day=40)
    batch = only_batch(examples_of(snapshot, replace(SETTINGS, num_negatives=2)))
    share = np.array([1, 1, 1, 5, 1])[batch.candidates_C] / 9  # counts of draws, plus 1 for each of five rows
    expected = [math.log(1 - (1 - one) ** 4 * (2 / 3) ** 2) for one in share]
    assert batch.log_inclusion_C == pytest.approx(expected, rel=1e-5)


def test_events_at_or_after_the_snapshot_change_nothing() -> None:
    later = [Line(70, "u", "a"), Line(71, "v", "new"), Line(75, "w", "b")]
    order = ["a", "b", "c", "d", "e"]
    one = only_batch(examples_of(snapshot_of(LINES, day=70, item_order=order)))
    other = only_batch(examples_of(snapshot_of(LINES + later, day=70, item_order=order)))
    for name in TowerBatch.__dataclass_fields__:
        assert np.array_equal(getattr(one, name), getattr(other, name)), name


def test_nothing_to_learn_from_is_no_query() -> None:
    assert examples_of(snapshot_of([Line(1, "u", "a"), Line(1, None, "b", session="s")], day=3)).num_queries == 0
