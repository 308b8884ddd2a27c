"""Merging and blending, worked by hand; the choice of the greatest against a plain sort."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisle.pipeline import Blend, Merged, merge
from aisle.pipeline.generators import Candidates, greatest, top_candidates

NOTHING = Candidates(np.zeros(0, np.int32), np.zeros(0, np.float32))


def listed(scores: dict[int, float], dense: list[float] | None = None) -> Candidates:
    scores_V = None if dense is None else np.array(dense, np.float32)
    return Candidates(np.array(list(scores), np.int32), np.array(list(scores.values()), np.float32), scores_V)


def test_merge_by_hand() -> None:
    # The second source scores everything, so it also speaks of row 4, which only the first one listed.
    merged = merge([listed({4: 9.0, 2: 3.0}), listed({2: 8.0}, [0, 0, 8, 5, -2, 0])], 6)
    assert merged.rows_K.tolist() == [2, 4]
    assert merged.scores_KS.tolist() == [[3, 8], [9, -2]]
    assert merged.ranks_KS.tolist() == [[2, 1], [1, 0]]


def test_scores_are_square_roots_of_the_share_of_the_greatest() -> None:
    merged = Merged(
        np.array([2, 3, 4], np.int32),
        np.array([[4, 0, -1], [1, 0, 0.5], [0, 0, 0.25]], np.float32),
        np.zeros((3, 3), np.int32),
    )
    expected = [[1, 0, 0], [0.5, 0, 1], [0, 0, np.sqrt(0.5)]]
    assert merged.normalized_KS() == pytest.approx(np.array(expected))


def test_shares_sum_to_the_score_and_a_source_without_a_weight_weighs_nothing() -> None:
    merged = merge([listed({2: 4.0, 3: 1.0}), listed({3: 9.0}), listed({5: 1.0})], 6)
    shares = Blend({"a": 0.6, "b": 0.4}).shares_KS(merged, ["b", "a", "unknown"])
    assert shares == pytest.approx(np.array([[0.4, 0, 0], [0.2, 0.6, 0], [0, 0, 0]]))


def test_nothing_merges_to_nothing() -> None:
    merged = merge([NOTHING, NOTHING], 6)
    assert merged.rows_K.shape == (0,)
    assert merged.normalized_KS().shape == (0, 2)
    assert Blend({"a": 1.0}).shares_KS(merged, ["a", "b"]).shape == (0, 2)


_SCORES = st.dictionaries(st.integers(2, 9), st.floats(1 / 64, 100, width=32), max_size=8)


@settings(deadline=None)
@given(st.lists(_SCORES, min_size=1, max_size=4))
def test_a_merge_holds_what_each_source_said(sources: list[dict[int, float]]) -> None:
    ordered = [dict(sorted(one.items(), key=lambda entry: (-entry[1], entry[0]))) for one in sources]
    merged = merge([listed(one) for one in ordered], 10)
    assert merged.rows_K.tolist() == sorted(set().union(*ordered))
    for at, row in enumerate(merged.rows_K.tolist()):
        for number, one in enumerate(ordered):
            assert merged.scores_KS[at, number] == np.float32(one.get(row, 0))
            assert merged.ranks_KS[at, number] == (list(one).index(row) + 1 if row in one else 0)
    normalized = merged.normalized_KS()
    assert ((normalized >= 0) & (normalized <= 1)).all()
    assert [column.max(initial=0) for column in normalized.T] == [1.0 if one else 0.0 for one in ordered]


@settings(deadline=None)
@given(st.lists(st.integers(-3, 3), max_size=30), st.integers(1, 35))
def test_the_greatest_are_those_of_a_stable_sort(values: list[int], k: int) -> None:
    expected = sorted(range(len(values)), key=lambda at: (-values[at], at))[:k]
    assert greatest(np.array(values, np.float32), k).tolist() == sorted(expected)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-2, 2), st.booleans()), max_size=20), st.integers(1, 25))
def test_top_candidates_are_the_best_positive_eligible_ones(items: list[tuple[int, bool]], k: int) -> None:
    scores_V = np.array([score for score, _ in items], np.float32)
    eligible_V = np.array([eligible for _, eligible in items], np.bool_)
    found = top_candidates(scores_V, k, eligible_V)
    allowed = [row for row, (score, eligible) in enumerate(items) if eligible and score > 0]
    assert found.rows_k.tolist() == sorted(allowed, key=lambda row: (-items[row][0], row))[:k]
    assert found.scores_k.tolist() == [items[row][0] for row in found.rows_k]
