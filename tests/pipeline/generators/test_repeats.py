"""Own purchases keep the contract; recency and due by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from aisle.pipeline.generators import Generator, RepeatGenerator
from tests.contracts.generators import ALL, NUM_FITTED, GeneratorContract, everything, query_of


def intervals(**of_row: float) -> np.ndarray:
    days = np.full(NUM_FITTED, 30.0, np.float32)
    for name, value in of_row.items():
        days[int(name.removeprefix("row"))] = value
    return days


class TestRecency(GeneratorContract):
    def build(self) -> Generator:
        return RepeatGenerator("own_30d", score="recency", half_life_days=30)


class TestFrequency(GeneratorContract):
    def build(self) -> Generator:
        return RepeatGenerator("own_always", score="recency", half_life_days=None)


class TestDue(GeneratorContract):
    def build(self) -> Generator:
        return RepeatGenerator("own_due", score="due", interval_days_V=intervals(row5=3, row7=90))


def test_recency_by_hand() -> None:
    generator = RepeatGenerator("own", score="recency", half_life_days=10)
    # Row 2: half a point and a quarter; row 3: one fresh purchase; row 4: two half-lives ago.
    found = generator.candidates(query_of((2, 10), (2, 20), (3, 0), (4, 20)), ALL, everything())
    assert found.rows_k.tolist() == [3, 2, 4]
    assert found.scores_k == pytest.approx([1, 0.75, 0.25])
    assert generator.reason(query_of((2, 1)), 2)[0] == "You bought this before"


def test_frequency_counts_purchases_and_forgets_nothing() -> None:
    generator = RepeatGenerator("own", score="recency", half_life_days=None)
    found = generator.candidates(query_of((2, 300), (2, 200), (3, 0)), ALL, everything())
    assert found.scores_k.tolist() == [2, 1]


def test_only_purchases_count() -> None:
    query = query_of((2, 1), (3, 1))
    seen = replace(query, taken_n=np.array([False, True]))
    for generator in (
        RepeatGenerator("own", score="recency", half_life_days=10),
        RepeatGenerator("own", score="due", interval_days_V=intervals()),
    ):
        assert generator.candidates(seen, ALL, everything()).rows_k.tolist() == [3]


def test_due_by_hand() -> None:
    generator = RepeatGenerator("own", score="due", interval_days_V=intervals(row2=10, row3=10, row4=10, row5=10))
    # Row 2 is exactly due, its last purchase counting; row 3 is e times late; row 4 was bought twice and is due;
    # row 5 was bought an hour ago, which counts as a day.
    query = query_of((2, 10), (3, 10 * math.e), (4, 10), (4, 40), (5, 1 / 24))
    found = generator.candidates(query, ALL, everything())
    assert found.rows_k.tolist() == [4, 2, 3, 5]
    expected = [math.log2(3), 1, math.exp(-0.5), math.exp(-0.5 * math.log(10) ** 2)]
    assert found.scores_k == pytest.approx(expected, rel=1e-5)


def test_due_again_just_after_the_interval_beats_just_bought() -> None:
    generator = RepeatGenerator("own", score="due", interval_days_V=intervals(row2=20, row3=20))
    assert generator.candidates(query_of((2, 1), (3, 20)), 1, everything()).rows_k.tolist() == [3]


def test_due_without_intervals_is_refused() -> None:
    with pytest.raises(ValueError, match="expected interval_days_V for the score 'due', received none"):
        RepeatGenerator("own", score="due")
