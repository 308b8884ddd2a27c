"""Every kind of FAISS index keeps the contract; those that are trained say when there is too little to learn from."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.errors import DataError
from aisle.index import Index, open_index
from aisle.index.faiss_kinds import ROWS_PER_STEP, Graph
from aisle.recipe.indexes import FlatSpec, HnswSpec, Int8Spec, IvfSpec, PqSpec
from tests.contracts.index_suite import DIMENSION, IndexContract, UntrainedIndexContract, clustered


class TestFlat(UntrainedIndexContract):
    def build(self, dimension: int) -> Index:
        return open_index(FlatSpec(), dimension=dimension)


class TestHnsw(UntrainedIndexContract):
    min_recall = 0.95

    def build(self, dimension: int) -> Index:
        # So few candidates that the suite's masks stand on both sides of the border to scoring row by row.
        return open_index(HnswSpec(num_links=16, ef_construction=60, ef_search=40), dimension=dimension)


class TestInt8(IndexContract):
    min_recall = 0.9
    score_error = 0.01

    def build(self, dimension: int) -> Index:
        return open_index(Int8Spec(), dimension=dimension)


class TestRerankedInt8(IndexContract):
    def build(self, dimension: int) -> Index:
        return open_index(Int8Spec(rerank=4), dimension=dimension)


class TestIvf(IndexContract):
    min_recall = 0.95

    def build(self, dimension: int) -> Index:
        return open_index(IvfSpec(num_probes=8), dimension=dimension)


class TestPq(IndexContract):
    min_recall = 0.5
    score_error = 0.2

    def build(self, dimension: int) -> Index:
        return open_index(PqSpec(num_probes=8, dimensions_per_code=1, num_bits=4, rerank=0), dimension=dimension)


class TestRerankedPq(IndexContract):
    min_recall = 0.95

    def build(self, dimension: int) -> Index:
        return open_index(PqSpec(num_probes=8, dimensions_per_code=2, num_bits=4), dimension=dimension)


@pytest.mark.parametrize(
    ("spec", "num_vectors", "expected"),
    [
        (
            Int8Spec(),
            255,
            "index int8: expected at least 256 vectors to learn the range of each dimension, received 255",
        ),
        (
            IvfSpec(num_lists=100),
            3899,
            "index ivf: expected at least 3,900 vectors to train 100 centres, received 3,899",
        ),
        (IvfSpec(), 38, "index ivf: expected at least 39 vectors to train 1 centres, received 38"),
        (
            PqSpec(),
            9983,
            "index pq: expected at least 9,984 vectors to train 256 centres, received 9,983; use the kind",
        ),
    ],
)
def test_too_few_vectors_to_train_on_are_refused(
    spec: Int8Spec | IvfSpec | PqSpec, num_vectors: int, expected: str
) -> None:
    index = open_index(spec, dimension=DIMENSION)
    with pytest.raises(DataError, match=expected):
        index.add(clustered(num_vectors))
    assert len(index) == 0, "it is still empty, and usable"


def test_codes_take_less_memory_than_vectors() -> None:
    vectors = clustered(10_000)
    taken = {}
    for spec in (FlatSpec(), Int8Spec(), PqSpec(rerank=0, num_lists=50), HnswSpec(num_links=16, ef_construction=20)):
        index = open_index(spec, dimension=DIMENSION)
        index.add(vectors)
        taken[spec.kind] = index.num_bytes / vectors.nbytes
    assert taken["flat"] == pytest.approx(1, abs=0.01)
    assert taken["int8"] == pytest.approx(0.25, abs=0.01)
    assert taken["pq"] < 0.6  # 4 bytes of code and 8 of id instead of 64, and the centres
    assert taken["hnsw"] > 2


def test_a_graph_scores_all_that_a_mask_allows_where_that_is_less_work(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = HnswSpec(num_links=8, ef_construction=20, ef_search=16)
    index = open_index(spec, dimension=DIMENSION)
    vectors = clustered(12_000)
    index.add(vectors)
    whole = []
    search_all = Graph.search_all
    monkeypatch.setattr(Graph, "search_all", lambda *given: whole.append(int(given[-1].sum())) or search_all(*given))
    # Of V vectors n allowed: n rows against ef * V / n steps of ROWS_PER_STEP rows each.
    border = int((ROWS_PER_STEP * 20 * 12_000) ** 0.5)
    for num_allowed in (border, border + 100):
        index.search(vectors[:1], 10, np.arange(12_000) < num_allowed)
    assert whole == [border]


def test_more_probes_find_more() -> None:
    vectors, queries = (
        np.random.default_rng(0).normal(size=(8000, DIMENSION)),
        np.random.default_rng(1).normal(size=(50, 16)),
    )
    found = []
    for num_probes in (1, 100):
        index = open_index(IvfSpec(num_lists=100, num_probes=num_probes), dimension=DIMENSION)
        index.add(vectors)
        truth = np.argsort(-(queries @ vectors.T), axis=1)[:, :10]
        ids, _ = index.search(queries, 10)
        found.append(np.mean([len(set(one) & set(other)) / 10 for one, other in zip(ids, truth, strict=True)]))
    assert found[0] < 0.5
    assert found[1] == 1
