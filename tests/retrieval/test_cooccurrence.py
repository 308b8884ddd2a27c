"""Co-occurrence worked by hand: cosine and lift, decay, shrinkage, rare pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aisle.pipeline.generators import NeighbourGenerator
from aisle.recipe.generators import CooccurrenceSpec
from aisle.retrieval import fit_cooccurrence
from tests.histories import SIGNALS, Line, snapshot_of


def fit(lines: list[Line], day: float = 30, **options: object) -> dict[str, NeighbourGenerator]:
    spec = CooccurrenceSpec.model_validate({"kind": "cooccurrence", "min_together": 1, "shrinkage": 0, **options})
    generators = fit_cooccurrence("together", spec, snapshot_of(lines, day=day, item_order="abcd"), SIGNALS)
    return {generator.name: generator for generator in generators}


def orders(*baskets: str, day: float = 10) -> list[Line]:
    """One order of a fresh user for each string of one-letter items."""
    return [
        Line(day, f"u{number}{day}", item, order=f"o{number}{day}")
        for number, items in enumerate(baskets)
        for item in items
    ]


A, B, C, D = 2, 3, 4, 5


def test_cosine_and_lift_by_hand() -> None:
    # a in 3 baskets, b in 3, c in 1; a and b together in 2, a and c in 1; 4 baskets in all.
    fitted = fit(orders("ab", "abb", "ac", "b"))
    cosine, lift = fitted["together_cosine"].lists, fitted["together_lift"].lists
    assert cosine.weight(A, B) == cosine.weight(B, A) == pytest.approx(2 / 3)
    assert cosine.weight(A, C) == pytest.approx(1 / math.sqrt(3))
    assert lift.weight(A, B) == pytest.approx(2 * 4 / 9)
    assert lift.weight(C, A) == pytest.approx(1 * 4 / 3)
    assert cosine.weight(B, C) == cosine.weight(A, A) == cosine.weight(D, A) == 0


def test_baskets_fade_with_their_age() -> None:
    fitted = fit(orders("ab", day=20) + orders("ab", "ac", day=10), half_life_days=10)
    cosine, lift = fitted["together_cosine"].lists, fitted["together_lift"].lists
    # The baskets weigh 1/2, 1/4 and 1/4. a: 1, b: .75, c: .25; in all 1.
    assert cosine.weight(A, B) == pytest.approx(0.75 / math.sqrt(1 * 0.75), rel=1e-6)
    assert lift.weight(A, C) == pytest.approx(0.25 * 1 / (1 * 0.25), rel=1e-6)


def test_rare_pairs_are_shrunk_or_left_out() -> None:
    lines = orders("ab", "ab", "ac")
    assert fit(lines, shrinkage=2)["together_cosine"].lists.weight(A, B) == pytest.approx(2 / math.sqrt(6) * 2 / 4)
    often = fit(lines, min_together=2)["together_cosine"].lists
    assert often.weight(A, C) == 0
    assert often.weight(A, B) == pytest.approx(2 / math.sqrt(6))


def test_rare_is_counted_in_baskets_however_old() -> None:
    fitted = fit(orders("ab", "ab", "ac", day=0), half_life_days=10, min_together=2)
    assert fitted["together_cosine"].lists.weight(A, B) == pytest.approx(2 / math.sqrt(6), rel=1e-6)


def test_only_the_nearest_are_kept() -> None:
    lists = fit(orders("ab", "ab", "ac", "ad"), top_n=2)["together_cosine"].lists
    span = slice(lists.offsets[A], lists.offsets[A + 1])
    assert lists.neighbours[span].tolist() == [B, C], "equal ones at the border in the order of items"


def test_what_faded_to_nothing_does_no_harm() -> None:
    fitted = fit(orders("ab", "ac", day=0) + orders("ab", day=399), day=400, half_life_days=1)
    assert fitted["together_cosine"].lists.weight(A, B) == pytest.approx(1)
    lift = fitted["together_lift"].lists
    assert np.isfinite(lift.weights).all()
    assert np.isfinite(fitted["together_cosine"].lists.weights).all()


def test_over_users_a_basket_is_a_life() -> None:
    lines = [Line(1, "u", "a"), Line(9, "u", "b"), Line(9, None, "a", session="s"), Line(9, None, "c", session="s")]
    over_users = fit(lines, over="users")["together_cosine"].lists
    assert (over_users.weight(A, B), over_users.weight(A, C)) == (1, 0)
    over_visitors = fit(lines, over="visitors")["together_cosine"].lists
    assert over_visitors.weight(A, C) == pytest.approx(1 / math.sqrt(2))
    assert fit(lines)["together_cosine"].lists.weight(A, B) == 0, "not on one day"


@pytest.mark.parametrize("lines", [[Line(1, "u", "a", "impression")], [Line(99, "u", "a")], [Line(1, "u", "a")]])
@pytest.mark.parametrize("half_life_days", [None, 10])
def test_no_pairs_give_empty_lists(lines: list[Line], half_life_days: float | None) -> None:
    for generator in fit(lines, half_life_days=half_life_days).values():
        assert len(generator.lists.neighbours) == 0
