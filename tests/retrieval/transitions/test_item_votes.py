"""Votes of a history by hand: decay, repeats, the prior; popularity, rules, and Markov chains."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from scipy import sparse

from aisle.data.item_lists import ItemLists
from aisle.pipeline.list_recommenders.item_votes import PRIOR_SHARE
from aisle.pipeline.list_recommenders.weighted_histories import weighted_histories
from aisle.recipe.list_models.histories import HistorySpec
from aisle.recipe.list_models.transitions import MarkovSpec, PopularitySpec, RulesSpec
from aisle.retrieval.transitions import ItemVotes, fit_markov, fit_popularity, fit_rules
from aisle.retrieval.transitions.rules import count_later
from tests.retrieval.transitions.lists import ask, split_of

HALF = float(np.log(2))  # a decay that halves a weight at each step


def test_a_history_counts_from_its_end() -> None:
    lists = ItemLists.of([[0, 1, 0], [], [2, 1]])
    everything = weighted_histories(lists, HistorySpec(decay=HALF), 3).toarray()
    assert everything == pytest.approx(np.array([[1.25, 0.5, 0], [0, 0, 0], [0, 1, 0.5]]))
    last = weighted_histories(lists, HistorySpec(last=1, decay=HALF), 3).toarray()
    assert last == pytest.approx(np.array([[1, 0, 0], [0, 0, 0], [0, 1, 0]]))


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_votes_are_added_up(form: type) -> None:
    votes = np.array([[0, 2, 0], [1, 0, 4], [0, 0, 0]], np.float32)
    recommender = ItemVotes(form(votes), np.zeros(3, np.float32), HistorySpec(decay=HALF))
    assert recommender.score(ask([0, 1], [2])) == pytest.approx(np.array([[1, 1, 4], [0, 0, 0]]))


def test_the_prior_orders_what_has_no_vote_and_stays_small() -> None:
    votes = np.array([[0, 0.5, 0], [0, 0, 0], [0, 0, 0]], np.float32)
    recommender = ItemVotes(votes, np.array([8, 0, 4], np.float32), HistorySpec())
    scores = recommender.score(ask([0], []))
    assert scores[0] == pytest.approx([0.5 * PRIOR_SHARE, 0.5, 0.25 * PRIOR_SHARE])
    assert scores[1] == pytest.approx([PRIOR_SHARE, 0, 0.5 * PRIOR_SHARE])


def test_items_without_a_row_neither_vote_nor_are_voted_for() -> None:
    votes = np.array([[0, 3], [5, 0]], np.float32)
    recommender = ItemVotes(votes, np.zeros(3, np.float32), HistorySpec(), item_rows_A=np.array([0, 2]))
    assert recommender.score(ask([0], [1], [2])) == pytest.approx(np.array([[0, 0, 3], [0, 0, 0], [5, 0, 0]]))
    with pytest.raises(ValueError, match=r"expected votes between 3 items, received the shape \(2, 2\)"):
        ItemVotes(votes, np.zeros(3, np.float32), HistorySpec())


def test_popularity_is_the_same_for_all_unless_ones_own_come_first() -> None:
    split = split_of([0, 1], [1], [1, 2], [2], num_items=4)
    popular = fit_popularity(PopularitySpec(kind="popularity"), split).score(ask([3], []))
    assert np.argsort(-popular, axis=1, kind="stable").tolist() == [[1, 2, 0, 3]] * 2
    own = fit_popularity(PopularitySpec(kind="popularity", own=True), split).score(ask([3, 0], []))
    assert np.argsort(-own, axis=1, kind="stable").tolist() == [[0, 3, 1, 2], [1, 2, 0, 3]]


def test_later_items_count_by_their_distance_within_the_window_and_the_list() -> None:
    lists = ItemLists.of([[0, 1, 2, 1], [2, 0]])
    expected = np.array([[0, 1 + 1 / 3, 1 / 2], [0, 1 / 2, 1], [1, 1, 0]])
    assert count_later(lists, 3, 10).toarray() == pytest.approx(expected)
    expected[0, 1] = 1
    assert count_later(lists, 3, 2).toarray() == pytest.approx(expected)
    assert count_later(ItemLists.of([[1], []]), 3, 2).nnz == 0


def test_rules_are_shares_and_a_candidates_exponent_takes_from_the_frequent() -> None:
    split = split_of([0, 1], [0, 1], [0, 2], [1], num_items=3)
    history = HistorySpec(decay=0)
    plain = fit_rules(RulesSpec(kind="rules", history=history), split)
    assert plain.score(ask([0]))[0] == pytest.approx([0, 2 / 3, 1 / 3], abs=PRIOR_SHARE)
    divided = fit_rules(RulesSpec(kind="rules", candidate_exponent=1, history=history), split)
    assert divided.score(ask([0]))[0] == pytest.approx([0, 2 / 3 / 3, 1 / 3 / 1], abs=PRIOR_SHARE)


def test_rules_sum_over_the_history() -> None:
    split = split_of([0, 1], [2, 1], [2, 3], num_items=4)
    rules = fit_rules(RulesSpec(kind="rules", history=HistorySpec(decay=1)), split)
    assert rules.score(ask([0, 2]))[0] == pytest.approx([0, exp(-1) + 0.5, 0, 0.5], abs=PRIOR_SHARE)


def test_markov_asks_the_last_item_for_what_followed_at_once() -> None:
    split = split_of([0, 1, 2], [0, 2], num_items=3)
    markov = fit_markov(MarkovSpec(kind="markov"), split)
    assert markov.score(ask([0], [0, 1])) == pytest.approx(np.array([[0, 0.5, 0.5], [0, 0, 1]]), abs=2 * PRIOR_SHARE)
