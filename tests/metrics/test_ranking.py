"""Ranked-list measures: values worked by hand, properties, and size."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisle.metrics import Targets, coverage, hit_rate, hits, intra_list_diversity, mrr, ndcg, recall, recall_plain

# Three lists of five. Targets: two of which one stands at position 2; three, at 1, 3 and missing; one, missing.
RANKED = np.array([[10, 11, 12, 13, 14], [20, 21, 22, 23, 24], [30, 31, -1, -1, -1]])
TARGETS = [[11, 99], [20, 22, 98], [32]]


def test_recall_by_hand() -> None:
    assert recall(RANKED, TARGETS, 5).tolist() == [1 / 2, 2 / 3, 0.0]
    assert recall(RANKED, TARGETS, 1).tolist() == [0.0, 1.0, 0.0]  # at most one hit is possible, so one is all
    assert recall_plain(RANKED, TARGETS, 1).tolist() == [0.0, 1 / 3, 0.0]
    assert recall_plain(RANKED, TARGETS, 5).tolist() == [1 / 2, 2 / 3, 0.0]


def test_hit_rate_and_reciprocal_rank_by_hand() -> None:
    assert hit_rate(RANKED, TARGETS, 1).tolist() == [0.0, 1.0, 0.0]
    assert hit_rate(RANKED, TARGETS, 2).tolist() == [1.0, 1.0, 0.0]
    assert mrr(RANKED, TARGETS, 5).tolist() == [1 / 2, 1.0, 0.0]
    assert mrr(RANKED, TARGETS, 1).tolist() == [0.0, 1.0, 0.0]


def test_ndcg_by_hand() -> None:
    # List 0: hit at position 2, two targets: (1/log2 3) / (1 + 1/log2 3) = .63093 / 1.63093.
    # List 1: hits at 1 and 3, three targets: (1 + .5) / (1 + .63093 + .5).
    values = ndcg(RANKED, TARGETS, 5)
    assert values == pytest.approx([0.386853, 0.703918, 0.0], abs=1e-6)
    # With k = 2 the ideal is cut at two positions: list 1 has the first of two.
    assert ndcg(RANKED, TARGETS, 2)[1] == pytest.approx(1 / (1 + 1 / math.log2(3)))


def test_a_list_without_targets_has_no_value_and_repeated_targets_count_once() -> None:
    ranked = np.array([[1, 2], [1, 2]])
    for measure in (recall, recall_plain, hit_rate, ndcg, mrr):
        values = measure(ranked, [[], [2, 2, 2]], 2)
        assert np.isnan(values[0])
        assert values[1] > 0
    assert recall_plain(ranked, [[], [2, 2, 2]], 2)[1] == 1.0
    assert np.isnan(ndcg(ranked, [[], []], 2)).all()
    assert ndcg(np.empty((0, 5), int), [], 5).shape == (0,)
    assert mrr(np.empty((1, 0), int), [[3]], 5).tolist() == [0.0]


def test_coverage_by_hand() -> None:
    assert coverage(RANKED, num_items=20, k=1) == 3 / 20
    assert coverage(RANKED, num_items=20, k=5) == 12 / 20


def test_intra_list_diversity_by_hand() -> None:
    vectors = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [0.0, 0.0]])
    ranked = np.array([[0, 1, -1], [0, 2, -1], [0, 1, 2], [0, 3, -1], [0, -1, -1]])
    values = intra_list_diversity(ranked, vectors, 3)
    assert values[:4] == pytest.approx([1.0, 0.0, 2 / 3, 1.0])
    assert np.isnan(values[4])


@pytest.mark.parametrize(
    ("ranked", "targets", "k", "message"),
    [
        (np.array([[1, 1]]), [[1]], 2, "at most once"),
        (np.array([[-1, 1]]), [[1]], 2, "only at the end"),
        (np.array([[1, 2]]), [[1], [2]], 2, "expected 2 lists"),
        (np.array([1, 2]), [[1]], 2, "two dimensions"),
        (np.array([[1, 2]]), [[1]], 0, "k >= 1"),
        (np.array([[1, 2]]), [[-1]], 2, "item rows >= 0"),
    ],
)
def test_wrong_lists_are_refused(ranked: np.ndarray, targets: list[list[int]], k: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ndcg(ranked, targets, k)


def slow_values(ranked: list[int], targets: set[int], k: int) -> dict[str, float]:
    """The definitions, written out for one list."""
    top = [item for item in ranked[:k] if item >= 0]
    found = [position for position, item in enumerate(top, start=1) if item in targets]
    ideal = sum(1 / math.log2(position + 1) for position in range(1, min(k, len(targets)) + 1))
    return {
        "recall": len(found) / min(k, len(targets)),
        "recall_plain": len(found) / len(targets),
        "hit_rate": float(bool(found)),
        "ndcg": sum(1 / math.log2(position + 1) for position in found) / ideal,
        "mrr": 1 / found[0] if found else 0.0,
    }


@st.composite
def ranked_lists(draw: st.DrawFn) -> tuple[np.ndarray, list[list[int]], int]:
    width = draw(st.integers(1, 8))
    rows = draw(st.lists(st.lists(st.integers(0, 12), unique=True, max_size=width), min_size=1, max_size=6))
    ranked = np.array([row + [-1] * (width - len(row)) for row in rows])
    targets = [draw(st.lists(st.integers(0, 12), min_size=1, max_size=10)) for _ in rows]
    return ranked, targets, draw(st.integers(1, 10))


@given(ranked_lists())
@settings(max_examples=150, deadline=None)
def test_values_equal_the_definitions_and_keep_their_order(case: tuple[np.ndarray, list[list[int]], int]) -> None:
    ranked, targets, k = case
    values = {measure.__name__: measure(ranked, targets, k) for measure in (recall, recall_plain, hit_rate, ndcg, mrr)}
    for row, wanted in enumerate(targets):
        for name, expected in slow_values(ranked[row].tolist(), set(wanted), k).items():
            assert values[name][row] == pytest.approx(expected, abs=1e-12)
    assert np.all(values["recall_plain"] <= values["recall"] + 1e-12)
    assert np.all(values["mrr"] <= values["hit_rate"])
    assert np.all((values["ndcg"] >= 0) & (values["ndcg"] <= 1 + 1e-12))


@given(ranked_lists())
@settings(max_examples=60, deadline=None)
def test_moving_a_hit_up_never_lowers_a_measure(case: tuple[np.ndarray, list[list[int]], int]) -> None:
    ranked, targets, k = case
    wanted = set(targets[0])
    row = ranked[0].tolist()
    place = next((i for i in range(1, len(row)) if row[i] in wanted and row[i - 1] not in wanted), None)
    if place is None:
        return
    better = ranked.copy()
    better[0, [place - 1, place]] = better[0, [place, place - 1]]
    for measure in (recall, recall_plain, hit_rate, ndcg, mrr):
        assert measure(better, targets, k)[0] >= measure(ranked, targets, k)[0] - 1e-12


def test_targets_from_pairs_and_lists_are_the_same() -> None:
    pairs = Targets.from_pairs(np.array([1, 0, 1, 1]), np.array([5, 7, 3, 5]), 3)
    lists = Targets.from_lists([[7], [3, 5], []])
    assert pairs.indptr.tolist() == lists.indptr.tolist() == [0, 1, 3, 3]
    assert pairs.items.tolist() == lists.items.tolist() == [7, 3, 5]
    with pytest.raises(ValueError, match="as many lists as items"):
        Targets.from_pairs(np.array([1]), np.array([1, 2]), 2)


@pytest.mark.timing
def test_fifty_thousand_lists_take_well_under_a_second() -> None:
    generator = np.random.default_rng(0)
    ranked = generator.random((50_000, 40)).argsort(axis=1)[:, :20] + generator.integers(0, 100_000, (50_000, 1))
    targets = Targets.from_pairs(
        generator.integers(0, 50_000, 600_000), generator.integers(0, 100_000, 600_000), 50_000
    )
    start = time.perf_counter()
    values = ndcg(ranked, targets, 20)
    assert time.perf_counter() - start < 2.0  # about .1 s on a quiet core
    assert hits(ranked, targets, 20).any(axis=1).tolist() == (np.nan_to_num(values) > 0).tolist()
