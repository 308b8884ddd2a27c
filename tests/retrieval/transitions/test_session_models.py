"""Neighbours of sessions by hand: cosine, exponents, age, two steps; vector session kNN."""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np
import pytest

from aisle.pipeline.list_recommenders.item_votes import PRIOR_SHARE
from aisle.recipe.list_models.histories import HistorySpec
from aisle.recipe.list_models.transitions import SessionItemKnnSpec, VsknnSpec
from aisle.retrieval.transitions import fit_session_item_knn, fit_vsknn
from tests.retrieval.transitions.lists import ask, split_of

LISTS = ([0, 1, 1], [0, 1], [0, 2], [3])
SPLIT = split_of(*LISTS, num_items=4)


def votes_of(item: int, **settings: object) -> np.ndarray:
    spec = SessionItemKnnSpec.model_validate({"kind": "session-item-knn", **settings})
    return fit_session_item_knn(spec, SPLIT).score(ask([item]))[0]


def near(values: list[float]) -> object:
    return pytest.approx(values, abs=3 * PRIOR_SHARE)


def test_the_cosine_of_lists_itself_included() -> None:
    assert votes_of(0) == near([1, 2 / sqrt(3 * 2), 1 / sqrt(3 * 1), 0])


def test_without_exponents_it_is_co_occurrence() -> None:
    assert votes_of(1, history_exponent=0, candidate_exponent=0) == near([2, 2, 0, 0])


def test_exponents_are_of_the_voting_item_and_of_the_one_voted_for() -> None:
    assert votes_of(0, history_exponent=1, candidate_exponent=0) == near([1, 2 / 3, 1 / 3, 0])
    assert votes_of(0, history_exponent=0, candidate_exponent=1) == near([1, 1, 1, 0])


def test_long_and_old_lists_count_for_less() -> None:
    plain = {"history_exponent": 0, "candidate_exponent": 0}
    assert votes_of(0, list_exponent=1, **plain) == near([1.5, 1, 0.5, 0])
    aged = votes_of(0, recency=3, **plain)
    assert aged == near([exp(-3) + exp(-2) + exp(-1), exp(-3) + exp(-2), exp(-1), 0])


def test_each_item_votes_for_its_strongest_neighbours() -> None:
    assert votes_of(0, neighbours=2) == near([1, 2 / sqrt(6), 0, 0])


def test_two_steps_reach_what_no_list_has_together() -> None:
    counts = {"history_exponent": 0, "candidate_exponent": 0}
    assert votes_of(1, **counts)[2] == pytest.approx(0, abs=3 * PRIOR_SHARE)
    # 1 - 0 (2 together) and 0 - 2 (1 together); items have 2, 3 and 1 votes for others.
    step_10, step_02 = 2 / sqrt(2 * 3), 1 / sqrt(3 * 1)
    walked = votes_of(1, second_step=0.5, **counts)
    assert walked[2] == pytest.approx(0.5 * step_10 * step_02, abs=3 * PRIOR_SHARE)
    assert walked[1] == pytest.approx(2 + 0.5 * step_10**2, abs=3 * PRIOR_SHARE)


def test_blocks_of_the_walk_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = votes_of(1, second_step=1, step_neighbours=1)
    monkeypatch.setattr("aisle.retrieval.transitions.session_item_knn._BLOCK", 1)
    assert np.array_equal(votes_of(1, second_step=1, step_neighbours=1), whole)


def scores_of(*history: int, **settings: object) -> np.ndarray:
    plain = {"kind": "vsknn", "list_exponent": 0, "idf": 0, "history": HistorySpec(decay=log(2)), **settings}
    return fit_vsknn(VsknnSpec.model_validate(plain), SPLIT).score(ask(history))[0]


def test_lists_vote_with_what_they_share_with_the_history() -> None:
    # Similarities 1.5, 1.5, 0.5 and 0.
    assert scores_of(0, 1).tolist() == [3.5, 3, 0.5, 0]


def test_the_most_similar_lists_vote_among_the_latest() -> None:
    assert scores_of(0, 1, neighbours=1).tolist() == [1.5, 1.5, 0, 0]
    assert scores_of(0, 1, sample=2).tolist() == [2, 1.5, 0.5, 0]
    assert scores_of(0, 1, sample=1).tolist() == [0.5, 0, 0.5, 0]


def test_similarities_may_be_raised_to_a_power() -> None:
    assert scores_of(0, 1, amplification=2).tolist() == [4.75, 4.5, 0.25, 0]


def test_lengths_ages_and_rarity() -> None:
    assert scores_of(0, list_exponent=1).tolist() == [1.5, 1, 0.5, 0]
    assert scores_of(0, recency=3) == pytest.approx([exp(-3) + exp(-2) + exp(-1), exp(-3) + exp(-2), exp(-1), 0])
    assert scores_of(0, idf=1) == pytest.approx([3 * log(4 / 3), 2 * log(2), log(4), 0])


def test_a_history_of_unknown_items_finds_nobody() -> None:
    split = split_of([0, 1], num_items=3)
    assert fit_vsknn(VsknnSpec(kind="vsknn"), split).score(ask([2], [])).tolist() == [[0, 0, 0]] * 2
