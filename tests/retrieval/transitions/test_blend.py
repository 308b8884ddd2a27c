"""A blend chooses the weights that answer best, keeps those given, and is fitted anew with what validated."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from aisle.data.item_lists import ItemLists
from aisle.data.item_texts import ItemTexts
from aisle.data.list_splits import leave_one_out
from aisle.data.questions import ListSplit, Questions
from aisle.errors import DataError
from aisle.evaluate.full_ranking import rank
from aisle.recipe.list_models.histories import HistorySpec
from aisle.recipe.list_models.transitions import BlendModelSpec, BlendSpec
from aisle.retrieval.transitions import Blend, ItemVotes, fit_blend
from aisle.retrieval.transitions.blend import with_validation
from aisle.retrieval.transitions.blend_weights import best_weights, candidates, relative_scores
from aisle.retrieval.transitions.parts import FITS
from tests.contracts.list_recommenders import LEAVE_ONE_OUT, cycle_world
from tests.retrieval.transitions.lists import ask, split_of

NUM_ITEMS = 6


def votes(shift: int, strength: float = 1.0) -> ItemVotes:
    """Item i votes for item i + shift alone."""
    matrix = np.roll(np.eye(NUM_ITEMS, dtype=np.float32), shift, axis=1) * np.float32(strength)
    return ItemVotes(matrix, np.zeros(NUM_ITEMS, np.float32), HistorySpec(last=1))


def test_scores_are_relative_to_each_questions_greatest() -> None:
    scores = np.array([[2, -4, 1], [0, 0, 0]], np.float32)
    assert relative_scores(scores).tolist() == [[0.5, -1, 0.25], [0, 0, 0]]


def test_the_blend_is_the_weighted_sum() -> None:
    blend = Blend([votes(1, 50), votes(2, 0.1)], [0.75, 0.25])
    assert blend.score(ask([0], []))[0].tolist() == [0, 0.75, 0.25, 0, 0, 0]
    with pytest.raises(ValueError, match="expected a weight for each of 1 parts, received 2"):
        Blend([votes(1)], [1, 1])


def test_the_part_that_is_right_more_often_outweighs_the_other() -> None:
    histories = [[item] for item in range(NUM_ITEMS)]
    targets = [(item + (2 if item else 1)) % NUM_ITEMS for item in range(NUM_ITEMS)]
    questions = ask(*histories, targets=targets)
    parts = [votes(1), votes(2), votes(4)]
    seldom, right, wrong = best_weights(parts, [None, None, None], questions, NUM_ITEMS, "ndcg@3")
    assert right > max(seldom, wrong)
    assert right + seldom + wrong == pytest.approx(1)


def test_given_weights_keep_their_ratio() -> None:
    questions = ask([0], targets=[2])
    weights = best_weights([votes(1), votes(2), votes(3)], [3, None, 1], questions, NUM_ITEMS, "mrr@2")
    assert weights[0] / weights[2] == pytest.approx(3)
    assert weights[1] > weights[0]


def test_what_is_masked_or_not_among_the_candidates_is_no_candidate() -> None:
    questions = ask([0], [1])
    masked = replace(questions, masked=ItemLists.of([[1, 3, 4, 5], []]))
    items, scores = candidates([votes(1), votes(2)], masked, NUM_ITEMS)
    assert [sorted(row[row >= 0]) for row in items] == [[0, 2], [0, 1, 2, 3, 4, 5]]
    assert scores[1, 0, items[0] == 2].tolist() == [1]
    sampled = replace(questions, candidates_RK=np.array([[2, 4], [3, -1]], np.int32))
    items, _ = candidates([votes(1), votes(2)], sampled, NUM_ITEMS)
    assert [sorted(row[row >= 0]) for row in items] == [[2, 4], [3]]


def test_validation_joins_the_lists_of_those_who_were_asked() -> None:
    lists = ItemLists.of([[0, 1, 2, 3], [4, 5], [3, 2, 1]])
    split = leave_one_out(lists, NUM_ITEMS, LEAVE_ONE_OUT)
    whole = with_validation(split)
    assert [row.tolist() for row in whole.train] == [[0, 1, 2], [4, 5], [3, 2]]
    assert len(whole.valid) == 0
    assert whole.test is split.test


def test_strangers_who_validated_become_the_last_lists() -> None:
    whole = with_validation(split_of([0, 1], [2], num_items=4, valid=ask([3, 2], [1], targets=[0, 3])))
    assert [row.tolist() for row in whole.train] == [[0, 1], [2], [3, 2, 0], [1, 3]]


def test_every_model_that_is_fitted_may_be_a_part() -> None:
    kinds = {get_args(kind.model_fields["kind"].annotation)[0] for kind in get_args(get_args(BlendModelSpec)[0])}
    assert kinds == set(FITS)


def blend_of(*weights: float | None, **options: object) -> BlendSpec:
    models = [{"kind": "markov"}, {"kind": "popularity"}]
    parts = [{"model": model, "weight": weight} for model, weight in zip(models, weights, strict=True)]
    return BlendSpec.model_validate({"kind": "blend", "parts": parts, **options})


def test_a_weight_is_raised_until_the_world_is_answered() -> None:
    split = cycle_world()
    last_R = np.array([history[-1] for history in split.test.histories])
    blends = [fit_blend(blend_of(weight, 50), split) for weight in (1, None)]
    right = [np.mean(rank(blend, split.test, 20, 1)[:, 0] == (last_R + 1) % 20) for blend in blends]
    assert right[0] < 0.5
    assert right[1] == 1


def test_refitting_learns_what_validated() -> None:
    split = split_of([0, 1], [1, 0], num_items=4, valid=ask([2], targets=[3]))
    told, untold = (fit_blend(blend_of(1, 1, refit=refit), split) for refit in (True, False))
    assert told.score(ask([2]))[0].argmax() == 3
    assert untold.score(ask([2]))[0].argmax() != 3


def test_without_validation_weights_must_be_given() -> None:
    split = split_of([0, 1], [0, 1], num_items=3)
    assert fit_blend(blend_of(2, 1), split).score(ask([0]))[0].argmax() == 1
    with pytest.raises(DataError, match="expected validation questions to choose weights on, received none"):
        fit_blend(blend_of(2, None), split)


def test_so_many_questions_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def count(parts: object, given: list[float], questions: Questions, *_: object) -> list[float]:
        seen.append(len(questions))
        return [1.0, 1.0]

    monkeypatch.setattr("aisle.retrieval.transitions.blend.best_weights", count)
    world: ListSplit = cycle_world()
    fit_blend(blend_of(None, None, questions=7), world)
    fit_blend(blend_of(None, None), world)
    assert seen == [7, len(world.valid)]


def test_what_items_say_can_be_a_part() -> None:
    """Items 0 and 2 say alike, 1 and 3 too; content is fitted anew with what validated, and has its texts still."""
    texts = ItemTexts(["red", "blue", "red", "blue"], [[], [], [], []])
    split = replace(leave_one_out(ItemLists.of([[0, 1, 2, 3]] * 2), 4, LEAVE_ONE_OUT), item_texts=texts)
    document = {"kind": "blend", "parts": [{"model": {"kind": "content"}, "weight": 1}]}
    blend = fit_blend(BlendSpec.model_validate(document), split)
    assert blend.score(ask([0], [3])).argmax(axis=1).tolist() == [2, 1]
