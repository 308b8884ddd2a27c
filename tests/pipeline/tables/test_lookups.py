"""The NumPy half of each kind of embedding table: known answers, bundles, sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aisle.bundle import Bundle, BundleWriter
from aisle.pipeline.embedding_lookup import EmbeddingLookup, JaggedIds
from aisle.pipeline.tables import FullLookup, HashedLookup, LookupTable, LowRankLookup, QuotientRemainderLookup
from aisle.pipeline.tables.hashed import hashed_rows


def numbered(rows: int, width: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Row r is [10 r, 10 r + 1, ...]."""
    return (10 * np.arange(rows)[:, None] + np.arange(width)).astype(np.float32)


TABLES: dict[str, LookupTable] = {
    "full": FullLookup(numbered(10, 4)),
    "hashed": HashedLookup(numbered(5, 4), 10),
    "mult": QuotientRemainderLookup(numbered(3, 4), numbered(4, 4), "mult", 10),
    "add": QuotientRemainderLookup(numbered(3, 4), numbered(4, 4), "add", 10),
    "concat": QuotientRemainderLookup(numbered(3, 1), numbered(4, 3), "concat", 10),
    "low-rank": LowRankLookup(numbered(10, 2), np.array([[1, 0, 2, 0], [0, 1, 1, 0]], np.float32)),
}
EXPECTED = {  # of the id 9: with the modulus 4 the pair (2, 1)
    "full": [90, 91, 92, 93],
    "mult": [200, 231, 264, 299],
    "add": [30, 32, 34, 36],
    "concat": [20, 10, 11, 12],
    "low-rank": [90, 91, 271, 0],
}
EACH = pytest.mark.parametrize("name", TABLES)


@pytest.mark.parametrize("name", EXPECTED)
def test_known_answers(name: str) -> None:
    assert TABLES[name].lookup(np.array([[9]])).tolist() == [[EXPECTED[name]]]


def test_the_hash_is_that_of_training() -> None:
    ids = np.array([0, 1, 2, 3, 1000, 2**31 + 5])
    assert hashed_rows(ids, 1000).tolist() == [0, 1, 2, 411, 670, 526]
    found = TABLES["hashed"].lookup(np.arange(10))
    assert found[:2, 0].tolist() == [0, 10] and set(found[2:, 0]) <= {20, 30, 40}


@EACH
def test_vectors_have_the_shape_of_ids_in_float32(name: str) -> None:
    table = TABLES[name]
    assert (table.num_embeddings, table.embedding_dim) == (10, 4)
    for shape in ((), (3,), (2, 3), (0,)):
        vectors = table.lookup(np.full(shape, 3))
        assert vectors.shape == (*shape, 4) and vectors.dtype == np.float32


@EACH
def test_each_comes_back_from_a_bundle(name: str, tmp_path: Path) -> None:
    with BundleWriter(tmp_path / "bundle") as writer:
        document = EmbeddingLookup.of([("f", 0, None)], [TABLES[name]]).save(writer, "tables")
    loaded = EmbeddingLookup.load(Bundle.open(tmp_path / "bundle"), "tables", document)
    assert type(loaded.table) is type(TABLES[name])
    expected = TABLES[name].lookup(np.array([1, *range(10), 1, 1]))
    assert np.array_equal(loaded.lookup(np.arange(-1, 12)[:, None])[:, 0], expected)


def test_several_kinds_come_back_from_one_bundle(tmp_path: Path) -> None:
    names = ["hashed", "full", "mult", "full", "low-rank"]
    features: list[tuple[str, int, str | None]] = [(f"f{n}", n, None) for n in (3, 0, 1, 2, 4)]
    bags: list[tuple[str, int, str | None]] = [("b", 2, "sum"), ("c", 3, "mean")]
    lookup = EmbeddingLookup.of([*features, *bags], [TABLES[name] for name in names])
    assert [table.kind for table in lookup.tables] == ["full", "hashed", "quotient-remainder", "low-rank"]
    with BundleWriter(tmp_path / "bundle") as writer:
        document = lookup.save(writer, "ranker/tables")
    loaded = EmbeddingLookup.load(Bundle.open(tmp_path / "bundle"), "ranker/tables", document)
    ids = np.array([[2, 3, 4, 9, 9], [10, -1, 9, 0, 10]])
    jagged = [JaggedIds(np.array([9, 4]), np.array([0, 2, 2])), JaggedIds(np.array([2, 3, 99]), np.array([0, 2, 3]))]
    for one in (lookup, loaded):
        vectors = one.lookup(ids, jagged)
        assert vectors.shape == (2, 7, 4)
        for column, name in enumerate(["full", "hashed", "full", "mult", "low-rank"]):
            known = np.where((ids[:, column] < 0) | (ids[:, column] > 9), 1, ids[:, column])
            assert np.array_equal(vectors[:, column], TABLES[name].lookup(known))
        # The id 4 is the pair (1, 0): [10, 11, 12, 13] * [0, 1, 2, 3].
        assert vectors[:, 5].tolist() == [[200, 242, 288, 338], [0, 0, 0, 0]]
        assert vectors[:, 6].tolist() == [[25, 26, 27, 28], [10, 11, 12, 13]]


def test_full_tables_alone_are_saved_as_ever(tmp_path: Path) -> None:
    """Bundles of earlier versions hold this document."""
    lookup = EmbeddingLookup.of(
        [("f", 0, None), ("b", 1, "mean")], [FullLookup(numbered(3, 2)), FullLookup(numbered(4, 2))]
    )
    with BundleWriter(tmp_path / "bundle") as writer:
        document = lookup.save(writer, "tables")
    assert document == {
        "kind": "full",
        "features": [
            {"name": "f", "offset": 0, "num_embeddings": 3, "pooling": None},
            {"name": "b", "offset": 3, "num_embeddings": 4, "pooling": "mean"},
        ],
    }
    assert lookup.table.num_embeddings == 7 and lookup.num_bytes == 4 * 2 * 7


def test_the_one_table_is_asked_for_where_there_is_one() -> None:
    lookup = EmbeddingLookup.of([("f", 0, None), ("g", 1, None)], [TABLES["full"], TABLES["mult"]])
    with pytest.raises(ValueError, match="received the kinds full, quotient-remainder"):
        _ = lookup.table
    assert lookup.embedding_dim == 4
    assert lookup.num_bytes == 4 * (10 * 4 + 3 * 4 + 4 * 4) + 8 + len("mult")


@pytest.mark.parametrize(("width", "kind"), [(1, LowRankLookup), (2, LowRankLookup), (3, FullLookup), (6, FullLookup)])
def test_a_low_rank_table_collapses_where_the_full_one_is_not_larger(width: int, kind: type) -> None:
    draw = np.random.default_rng(0)  # width * (10 + 4) numbers against 10 * 4
    table = LowRankLookup(
        draw.normal(size=(10, width)).astype(np.float32), draw.normal(size=(width, 4)).astype(np.float32)
    )
    smallest = table.smallest()
    assert type(smallest) is kind
    np.testing.assert_allclose(smallest.lookup(np.arange(10)), table.lookup(np.arange(10)), rtol=0, atol=1e-6)
