"""Transitions worked by hand: distance, direction, decay, popular consequences."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.pipeline.generators import NeighbourGenerator
from aisle.recipe.generators import TransitionsSpec
from aisle.retrieval import fit_transitions
from tests.contracts.generators import query_of
from tests.histories import SIGNALS, Line, snapshot_of

A, B, C, D = 2, 3, 4, 5


def visits(*items: str, day: float = 10) -> list[Line]:
    """One visitor for each string of one-letter items, an hour between two."""
    return [
        Line(day + at / 24, f"u{one}{day}", item) for one, items in enumerate(items) for at, item in enumerate(items)
    ]


def fit(lines: list[Line], day: float = 30, **options: object) -> NeighbourGenerator:
    spec = TransitionsSpec.model_validate(
        {"kind": "transitions", "half_life_days": None, "candidate_exponent": 0, **options}
    )
    (generator,) = fit_transitions("then", spec, snapshot_of(lines, day=day, item_order="abcd"), SIGNALS)
    assert [generator.name] == spec.source_names("then")
    return generator


def test_weights_by_hand() -> None:
    # After a: b twice at once, c at once and once two events later; after b: c once.
    lists = fit(visits("abc", "ab", "ac")).lists
    assert lists.weight(A, B) == pytest.approx(2 / 3.5)
    assert lists.weight(A, C) == pytest.approx(1.5 / 3.5)
    assert lists.weight(B, C) == 1
    assert lists.weight(B, A) == lists.weight(C, A) == 0, "rules have a direction"
    near = fit(visits("abc", "ab", "ac"), window=1).lists
    assert near.weight(A, C) == pytest.approx(1 / 3)


def test_no_item_follows_itself() -> None:
    lists = fit(visits("aba")).lists
    assert lists.weight(A, A) == 0
    assert lists.weight(A, B) == lists.weight(B, A) == 1


def test_rules_fade_with_their_age() -> None:
    lists = fit(visits("ab", day=20) + visits("ac", day=10), half_life_days=10, window=1).lists
    assert lists.weight(A, B) == pytest.approx(2 * lists.weight(A, C))


def test_what_follows_everything_counts_less() -> None:
    lines = visits("ab", "cb", "db", "ac")
    assert fit(lines).lists.weight(A, B) == fit(lines).lists.weight(A, C) == 0.5
    lists = fit(lines, candidate_exponent=0.5).lists
    assert lists.weight(A, C) == pytest.approx(0.5)
    assert lists.weight(A, B) == pytest.approx(0.5 / np.sqrt(3))


def test_only_the_strongest_are_kept() -> None:
    lists = fit(visits("ab", "ab", "ac"), top_n=1).lists
    assert (lists.weight(A, B) > 0, lists.weight(A, C)) == (True, 0)


def test_what_happened_last_speaks_loudest() -> None:
    generator = fit(visits("ab", "cd"), history_half_life_days=1)
    eligible_V = np.array([False, False, True, True, True, True])
    found = generator.candidates(query_of((A, 2), (C, 1), num_rows=6), 9, eligible_V)
    assert found.rows_k.tolist() == [D, B]
    assert found.scores_k == pytest.approx([0.5, 0.25])
    assert generator.reason(query_of((A, 2), (C, 1), num_rows=6), D) == ("Often after {item}", C)


def test_where_nobody_did_two_things_there_is_no_source() -> None:
    once = snapshot_of(visits("a", "b", "aa"), day=30)
    assert fit_transitions("then", TransitionsSpec(kind="transitions"), once, SIGNALS) == []
