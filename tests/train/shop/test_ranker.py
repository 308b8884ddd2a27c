"""Rows of one snapshot in the rows and codes of another."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import numpy as np

from aisle.train.shop.ranker import ExamplesOf, FittedSnapshot
from aisle.train.shop.ranker_examples import RankerExamples


def fitted(items: Sequence[str], categories: Sequence[str], brands: Sequence[str]) -> FittedSnapshot:
    pipeline = SimpleNamespace(item_ids=["", "", *items])
    featurizer = SimpleNamespace(categories=tuple(categories), brands=tuple(brands))
    return cast(FittedSnapshot, SimpleNamespace(pipeline=pipeline, featurizer=featurizer))


def examples_of(items: Sequence[int], codes: Sequence[tuple[int, int]]) -> RankerExamples:
    size = len(items)
    return RankerExamples(
        np.arange(size, dtype=np.float32)[:, None],
        np.array(items, np.int32),
        np.array(codes, np.int32),
        np.zeros(size, np.int64),
        np.zeros(size, np.float32),
        np.ones(size, np.float32),
    )


def test_ids_and_codes_are_those_of_the_later_fit() -> None:
    earlier = fitted(["tea", "pen", "gone"], ["drinks", "desk"], ["b"])
    later = fitted(["ink", "pen", "tea"], ["attic", "desk", "drinks"], ["a", "b"])
    rows = examples_of([2, 3, 4, 1], [(1, 1), (2, 0), (0, 1), (0, 0)])
    found = ExamplesOf(earlier, rows).in_terms_of(later)
    assert found.items_K.tolist() == [4, 3, 1, 1], "tea, pen, and what the later one does not know"
    assert found.codes_K2.tolist() == [[3, 2], [2, 0], [0, 2], [0, 0]], "names, not numbers; 0: unknown"
    assert np.array_equal(found.features_KF, rows.features_RF)


def test_names_that_the_later_fit_does_not_know_are_unknown() -> None:
    rows = examples_of([2], [(1, 1)])
    found = ExamplesOf(fitted(["tea"], ["drinks"], ["b"]), rows).in_terms_of(fitted(["ink"], [], ["a"]))
    assert (found.items_K.tolist(), found.codes_K2.tolist()) == ([1], [[0, 0]])


def test_in_its_own_terms_nothing_changes() -> None:
    same = fitted(["tea", "pen"], ["desk", "drinks"], ["b"])
    rows = examples_of([3, 2, 1], [(2, 1), (1, 0), (0, 0)])
    found = ExamplesOf(same, rows).in_terms_of(same)
    assert np.array_equal(found.items_K, rows.items_R) and np.array_equal(found.codes_K2, rows.codes_R2)
