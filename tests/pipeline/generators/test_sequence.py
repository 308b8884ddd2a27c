"""Sources of sequence models keep the contract; scores by hand; what the model does not know says nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aisle.bundle import Bundle, BundleWriter
from aisle.pipeline import Query
from aisle.pipeline.generators import Generator, SequenceGenerator
from tests.contracts.generators import ALL, NUM_FITTED, GeneratorContract, everything, query_of
from tests.encoders import MAX_LENGTH, by_candidate_like_the_last, like_the_last

TEMPERATURE = 0.5
EAST, NORTH, WEST, NOTHING = (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, 0.0)
#: Rows 2, 5 and 8 look east, 3, 6 and 9 north, 4 and 7 west; of rows 10 and 11 nothing is known.
VECTORS = [NOTHING, NOTHING, *[EAST, NORTH, WEST] * 2, EAST, NORTH, NOTHING, NOTHING]


def sequence(temperature: float = TEMPERATURE) -> SequenceGenerator:
    return SequenceGenerator("next", like_the_last(VECTORS), temperature=temperature)


def in_turn(*rows: int) -> Query:
    """A history of purchases, one a day, the last one today."""
    return query_of(*((row, float(len(rows) - 1 - place)) for place, row in enumerate(rows)))


class TestSequence(GeneratorContract):
    def build(self) -> Generator:
        return sequence()


class TestSequenceByCandidate(GeneratorContract):
    def build(self) -> Generator:
        return SequenceGenerator("next", by_candidate_like_the_last(VECTORS), temperature=TEMPERATURE)


def test_candidates_one_by_one_are_scored_as_by_one_query() -> None:
    by_candidate = TestSequenceByCandidate().build()
    for query in (in_turn(2), in_turn(4, 2, 3), in_turn(*[2, 3, 4] * MAX_LENGTH)):
        found, expected = (one.candidates(query, ALL, everything()) for one in (by_candidate, sequence()))
        assert found.rows_k.tolist() == expected.rows_k.tolist()
        np.testing.assert_allclose(found.scores_k, expected.scores_k, rtol=1e-6)


def test_a_bundle_from_before_there_were_scorers_holds_an_encoder(tmp_path: Path) -> None:
    generator = sequence()
    with BundleWriter(tmp_path / "bundle") as writer:
        parameters = generator.save(writer)
    assert parameters.pop("scorer") == "encoder"
    loaded = SequenceGenerator.load("next", Bundle.open(tmp_path / "bundle"), parameters)
    found, expected = (one.candidates(in_turn(4, 2), ALL, everything()) for one in (loaded, generator))
    assert np.array_equal(found.scores_k, expected.scores_k)


def test_scores_are_the_probabilities_of_all_known_items() -> None:
    found = sequence().candidates(in_turn(4, 2), ALL, everything())
    assert found.rows_k.tolist() == [2, 5, 8, 3, 6, 9, 4, 7]
    odds = np.exp(np.array([1, 1, 1, 0, 0, 0, -1, -1]) / TEMPERATURE)
    assert found.scores_k == pytest.approx(odds / odds.sum(), rel=1e-5)
    assert found.scores_V is not None
    assert found.scores_V[[0, 1, 10, 11]].tolist() == [0, 0, 0, 0]


def test_the_order_of_the_history_counts_not_its_strengths() -> None:
    generator = sequence()
    assert generator.candidates(in_turn(2, 3), 1, everything()).rows_k.tolist() == [3]
    assert generator.candidates(in_turn(3, 2), 1, everything()).rows_k.tolist() == [2]
    viewed = replace(in_turn(3, 2), strengths_n=np.array([1.0, 0.2], np.float32))
    assert generator.candidates(viewed, 1, everything()).rows_k.tolist() == [2]


def test_every_score_is_told_apart_from_nothing_to_say() -> None:
    found = sequence(temperature=0.01).candidates(in_turn(2), ALL, everything())
    assert len(found.rows_k) == 8
    assert found.scores_k[-1] > 0


def test_what_the_model_does_not_know_is_left_out_of_the_history() -> None:
    generator = sequence()
    alone = generator.candidates(in_turn(2), ALL, everything())
    among = generator.candidates(in_turn(2, 10), ALL, everything())
    assert np.array_equal(alone.scores_k, among.scores_k)
    assert len(generator.candidates(in_turn(10, 11), ALL, everything()).rows_k) == 0
    grown = replace(in_turn(2, NUM_FITTED + 1), num_rows=NUM_FITTED + 2)
    found = generator.candidates(grown, ALL, everything(NUM_FITTED + 2))
    assert np.array_equal(found.scores_k, alone.scores_k), "an item newer than the fit"


def test_the_model_is_asked_with_the_last_items_each_once_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = sequence()
    asked = []
    encode = generator.scorer.queries
    monkeypatch.setattr(generator.scorer, "queries", lambda lists: asked.append(lists[0].tolist()) or encode(lists))
    generator.candidates(in_turn(2, 2, 3, 10, 3, 2), ALL, everything())
    generator.candidates(in_turn(*[2, 3] * MAX_LENGTH, 4), ALL, everything())
    assert asked == [[2, 3, 2], [3, 2, 3, 2, 3, 2, 3, 4]]


def test_of_an_item_several_times_in_a_row_it_is_known_whether_it_was_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = sequence()
    asked = []
    encode = generator.scorer.scores_of
    monkeypatch.setattr(generator.scorer, "scores_of", lambda one, rows: asked.append(one) or encode(one, rows))
    taken_n = np.array([False, True, False, True, False, False])
    generator.candidates(replace(in_turn(2, 2, 3, 10, 3, 2), taken_n=taken_n), ALL, everything())
    assert asked[0][0].tolist() == [2, 3, 2] and asked[0].actions_E.tolist() == [1, 0, 0], "of row 10 nothing is known"


def test_the_reason_names_the_latest_other_item() -> None:
    assert sequence().reason(in_turn(4, 3, 2), 5) == ("Often comes after {item}", 2)
    assert sequence().reason(in_turn(4, 3, 2), 2) == ("Often comes after {item}", 3)
    assert sequence().reason(in_turn(2), 2) == ("Often comes again", None)
