"""Neighbour lists keep the contract; votes by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aisle.bundle import Bundle, BundleWriter
from aisle.pipeline import Query
from aisle.pipeline.generators import Generator, NeighbourGenerator, NeighbourLists
from aisle.schema import DAY_MS
from tests.contracts.generators import ALL, NOW_MS, NUM_FITTED, GeneratorContract, everything, query_of


def lists_of(weights: dict[int, dict[int, float]], num_rows: int = NUM_FITTED) -> NeighbourLists:
    rows = [weights.get(row, {}) for row in range(num_rows)]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    neighbours = [neighbour for row in rows for neighbour in row]
    values = [value for row in rows for value in row.values()]
    return NeighbourLists(offsets.astype(np.int64), np.array(neighbours, np.int32), np.array(values, np.float32))


def generator_of(
    weights: dict[int, dict[int, float]], *, half_life_days: float | None = None, name: str = "near"
) -> NeighbourGenerator:
    return NeighbourGenerator(
        name, lists_of(weights), lists_name="lists", half_life_days=half_life_days, reason="Goes with {item}"
    )


class TestNeighbours(GeneratorContract):
    def build(self) -> Generator:
        draw = np.random.default_rng(3)
        weights = {
            row: {int(other): float(draw.choice([-1, 1, 2, 2])) for other in draw.permutation(np.arange(2, 12))[:4]}
            for row in range(2, 11)  # row 11 has no neighbours
        }
        return generator_of(weights, half_life_days=30)


def test_votes_by_hand() -> None:
    # Row 2 is asked today (weight 1), row 3 was bought one half-life ago (weight 1/2).
    generator = generator_of({2: {4: 1.0, 5: -2.0}, 3: {4: 1.0, 5: 3.0, 6: 0.25}}, half_life_days=10)
    found = generator.candidates(query_of((2, 0), (3, 10)), ALL, everything())
    assert found.scores_V is not None
    assert found.scores_V[[4, 5, 6]].tolist() == [1.5, -0.5, 0.125]
    assert found.rows_k.tolist() == [4, 6]


def test_an_item_bought_often_votes_once_with_its_strongest_event() -> None:
    generator = generator_of({2: {4: 1.0}}, half_life_days=10)
    found = generator.candidates(query_of((2, 10), (2, 0), (2, 20)), ALL, everything())
    assert found.scores_k.tolist() == [1.0]


def test_the_strength_of_an_event_counts() -> None:
    now = 100 * DAY_MS
    times, strengths = np.full(2, now, np.int64), np.array([1.0, 0.2], np.float32)
    taken, told = np.array([True, False]), np.full(2, np.nan)
    query = Query(now, NUM_FITTED, np.array([2, 3], np.int32), times, strengths, taken, told, told)
    found = generator_of({2: {4: 1.0}, 3: {5: 4.0}}).candidates(query, ALL, everything())
    assert found.rows_k.tolist() == [4, 5]
    assert found.scores_k == pytest.approx([1.0, 0.8])


def test_the_reason_names_the_item_with_the_greatest_vote() -> None:
    generator = generator_of({2: {4: 1.0}, 3: {4: 3.0}}, half_life_days=10)
    assert generator.reason(query_of((2, 0), (3, 0)), 4) == ("Goes with {item}", 3)
    assert generator.reason(query_of((2, 0), (3, 30)), 4) == ("Goes with {item}", 2)  # 1 against 3/8


def test_the_weight_of_one_neighbour() -> None:
    lists = lists_of({2: {4: 1.5}})
    assert lists.weight(2, 4) == 1.5
    assert lists.weight(2, 5) == 0
    assert lists.weight(3, 4) == 0
    assert lists.weight(NUM_FITTED + 5, 4) == 0, "an item newer than the lists"


def test_generators_of_the_same_lists_share_their_file(tmp_path: Path) -> None:
    short = generator_of({2: {4: 1.0}}, half_life_days=10, name="short")
    long = generator_of({2: {4: 1.0}}, half_life_days=None, name="long")
    with BundleWriter(tmp_path / "bundle") as writer:
        parameters = [short.save(writer), long.save(writer)]
    bundle = Bundle.open(tmp_path / "bundle")
    assert len(bundle.names("generators")) == 3
    loaded = [NeighbourGenerator.load("x", bundle, one) for one in parameters]
    query = query_of((2, 10), now_ms=NOW_MS)
    assert [one.candidates(query, 1, everything()).scores_k.tolist() for one in loaded] == [[0.5], [1.0]]
