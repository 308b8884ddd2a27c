"""The contract of every candidate generator; a kind enters with a subclass that builds one.

Shapes: V item rows, k candidates.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.pipeline import Query
from aisle.pipeline.generators import Candidates, Generator, generator_kind
from aisle.schema import DAY_MS

#: Rows 0 and 1 are reserved; rows 2 to 11 are fitted; rows from 12 on are newer than the fit.
NUM_FITTED = 12
NOW_MS = 400 * DAY_MS
ALL = 1000


def query_of(*entries: tuple[int, float], num_rows: int = NUM_FITTED, now_ms: int = NOW_MS) -> Query:
    """A profile of purchases, each an item row and its age in days."""
    ordered = sorted(entries, key=lambda entry: -entry[1])
    rows = np.array([row for row, _ in ordered], np.int32)
    times = np.array([now_ms - round(age * DAY_MS) for _, age in ordered], np.int64)
    told = np.full(len(rows), np.nan)
    return Query(
        now_ms, num_rows, rows, times, np.ones(len(rows), np.float32), np.ones(len(rows), np.bool_), told, told
    )


def some_queries(num_rows: int = NUM_FITTED) -> list[Query]:
    """Profiles of one to six entries, repeats among them, and one of every item."""
    draw = np.random.default_rng(0)
    queries = [
        query_of(
            *zip(draw.integers(2, num_rows, size).tolist(), draw.integers(0, 90, size).tolist(), strict=True),
            num_rows=num_rows,
        )
        for size in (1, 1, 2, 3, 6, 6)
    ]
    return [*queries, query_of(*((row, 1.0) for row in range(2, num_rows)), num_rows=num_rows)]


def everything(num_rows: int = NUM_FITTED) -> NDArray[np.bool_]:
    """All real items are eligible."""
    eligible_V = np.ones(num_rows, np.bool_)
    eligible_V[:2] = False
    return eligible_V


def same(one: Candidates, other: Candidates) -> bool:
    return np.array_equal(one.rows_k, other.rows_k) and np.array_equal(one.scores_k, other.scores_k)


class GeneratorContract:
    """Inherit, name it ``Test...``, and build one fitted on :data:`NUM_FITTED` rows, with equal scores."""

    #: Whether the answer depends on the profile; otherwise it is the same for everyone.
    needs_profile = True

    @abstractmethod
    def build(self) -> Generator: ...

    def saved_and_loaded(self, generator: Generator, directory: Path) -> Generator:
        with BundleWriter(directory) as writer:
            parameters = generator.save(writer)
        plain = json.loads(json.dumps(parameters))
        return generator_kind(generator.kind).load(generator.name, Bundle.open(directory), plain)

    def test_some_query_finds_something(self) -> None:
        generator = self.build()
        assert sum(len(generator.candidates(query, ALL, everything()).rows_k) for query in some_queries()) > 5

    def test_best_first_each_once_and_with_something_to_say(self) -> None:
        generator = self.build()
        for query in some_queries():
            found = generator.candidates(query, ALL, everything())
            assert found.rows_k.dtype == np.int32
            assert found.scores_k.dtype == np.float32
            assert len(found.rows_k) == len(found.scores_k)
            assert (found.scores_k > 0).all()
            assert (np.diff(found.scores_k) <= 0).all()
            assert len(np.unique(found.rows_k)) == len(found.rows_k)

    def test_equal_scores_stand_in_the_order_of_rows(self) -> None:
        generator = self.build()
        num_ties = 0
        for query in some_queries():
            found = generator.candidates(query, ALL, everything())
            equal = np.diff(found.scores_k) == 0
            num_ties += int(equal.sum())
            assert (np.diff(found.rows_k)[equal] > 0).all()
        assert num_ties > 0, "the entry must have items of equal score"

    def test_fewer_are_the_first_of_all(self) -> None:
        generator = self.build()
        for query in some_queries():
            found = generator.candidates(query, ALL, everything())
            for k in range(1, NUM_FITTED):
                fewer = generator.candidates(query, k, everything())
                assert fewer.rows_k.tolist() == found.rows_k[:k].tolist()
                assert fewer.scores_k.tolist() == found.scores_k[:k].tolist()

    def test_only_what_is_eligible(self) -> None:
        generator = self.build()
        draw = np.random.default_rng(1)
        for query in some_queries():
            found = generator.candidates(query, ALL, everything())
            for share in (0.0, 0.3, 0.7):
                eligible_V = everything() & (draw.random(NUM_FITTED) < share)
                before = eligible_V.copy()
                fewer = generator.candidates(query, ALL, eligible_V)
                assert fewer.rows_k.tolist() == [row for row in found.rows_k.tolist() if eligible_V[row]]
                assert np.array_equal(eligible_V, before), "the mask is the caller's"

    def test_no_question_changes_the_answer_to_another(self) -> None:
        generator = self.build()
        first = [generator.candidates(query, ALL, everything()) for query in some_queries()]
        again = [generator.candidates(query, ALL, everything()) for query in reversed(some_queries())]
        alone = [self.build().candidates(query, ALL, everything()) for query in some_queries()]
        for one, other, third in zip(first, reversed(again), alone, strict=True):
            assert same(one, other)
            assert same(one, third)

    def test_an_empty_profile(self) -> None:
        generator = self.build()
        found = generator.candidates(query_of(), ALL, everything())
        if self.needs_profile:
            assert len(found.rows_k) == 0
        else:
            assert same(found, generator.candidates(some_queries()[0], ALL, everything()))

    def test_scores_of_all_agree_with_those_of_the_best(self) -> None:
        generator = self.build()
        for num_rows in (NUM_FITTED, NUM_FITTED + 3):
            for query in some_queries(num_rows):
                found = generator.candidates(query, ALL, everything(num_rows))
                if found.scores_V is not None:
                    assert found.scores_V.shape == (num_rows,)
                    assert np.array_equal(found.scores_V[found.rows_k], found.scores_k)
                    others = np.setdiff1d(np.arange(2, num_rows), found.rows_k)
                    assert (found.scores_V[others] <= 0).all()

    def test_items_newer_than_the_fit_do_no_harm(self) -> None:
        generator = self.build()
        for query in some_queries():
            grown = Query(
                query.now_ms,
                NUM_FITTED + 3,
                np.append(query.rows_n, np.int32(NUM_FITTED + 1)),
                np.append(query.times_ms_n, query.now_ms),
                np.append(query.strengths_n, np.float32(0)),
                np.append(query.taken_n, False),
                np.append(query.quantities_n, np.nan),
                np.append(query.prices_n, np.nan),
            )
            found = generator.candidates(grown, ALL, everything(NUM_FITTED + 3))
            assert found.rows_k.tolist() == generator.candidates(query, ALL, everything()).rows_k.tolist()

    def test_the_same_after_saving_and_loading(self, tmp_path: Path) -> None:
        generator = self.build()
        loaded = self.saved_and_loaded(generator, tmp_path / "bundle")
        assert (loaded.name, loaded.kind) == (generator.name, generator.kind)
        for query in some_queries():
            found = generator.candidates(query, ALL, everything())
            assert same(found, loaded.candidates(query, ALL, everything()))
            for row in found.rows_k.tolist():
                assert generator.reason(query, row) == loaded.reason(query, row)

    def test_it_says_why(self) -> None:
        generator = self.build()
        for query in some_queries():
            for row in generator.candidates(query, ALL, everything()).rows_k.tolist():
                sentence, because = generator.reason(query, row)
                assert sentence.strip()
                assert ("{item}" in sentence) == (because is not None)
                assert because is None or because in query.rows_n
