"""The NumPy half of embedding collections: known answers, what is refused, and its speed."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from aisle.bundle import Bundle, BundleWriter
from aisle.errors import BundleError
from aisle.pipeline.embedding_lookup import EmbeddingLookup, FeatureRows, JaggedIds
from aisle.pipeline.tables import FullLookup, table_kind


@pytest.fixture
def lookup() -> EmbeddingLookup:
    """Two tables of three and four rows; row r of the stack is [r, 10 r]."""
    weights = np.array([[row, 10 * row] for row in range(7)], np.float32)
    features = [FeatureRows("user", 3, 4), FeatureRows("item", 0, 3), FeatureRows("tags", 3, 4, "mean")]
    return EmbeddingLookup(features, FullLookup(weights))


def test_features_read_their_rows_and_bags_are_pooled(lookup: EmbeddingLookup) -> None:
    bags = [JaggedIds(np.array([2, 3, 9]), np.array([0, 2, 2, 3]))]
    vectors = lookup.lookup(np.array([[0, 2], [3, 3], [-1, 0]]), bags)
    assert vectors.dtype == np.float32
    assert vectors[:, :, 0].tolist() == [
        [3, 2, (5 + 6) / 2],
        [6, 1, 0],  # the item 3 is outside its table: the unknown one; the bag is empty
        [4, 0, 4],  # so is the user -1, and the tag 9
    ]
    assert (vectors[:, :, 1] == 10 * vectors[:, :, 0]).all()


def test_it_comes_back_from_a_bundle(lookup: EmbeddingLookup, tmp_path: Path) -> None:
    with BundleWriter(tmp_path / "bundle") as writer:
        document = lookup.save(writer, "ranker/tables")
    loaded = EmbeddingLookup.load(Bundle.open(tmp_path / "bundle"), "ranker/tables", document)
    assert loaded.feature_names == ["user", "item"] and loaded.bag_names == ["tags"]
    ids, bags = np.array([[2, 2]]), [JaggedIds(np.array([2]), np.array([0, 1]))]
    assert np.array_equal(loaded.lookup(ids, bags), lookup.lookup(ids, bags))


def test_other_columns_bags_and_kinds_are_refused(lookup: EmbeddingLookup) -> None:
    with pytest.raises(ValueError, match="user, item"):
        lookup.lookup(np.zeros((1, 3), np.int64), [JaggedIds(np.zeros(0, np.int64), np.zeros(2, np.int64))])
    with pytest.raises(ValueError, match="1 bags"):
        lookup.lookup(np.zeros((1, 2), np.int64))
    with pytest.raises(BundleError, match="expected one of full"):
        table_kind("tucker")


@pytest.mark.timing
def test_500_candidates_with_100_features_take_little_time() -> None:
    draw = np.random.default_rng(0)
    features = [FeatureRows(f"f{n}", 1000 * n, 1000) for n in range(100)]
    lookup = EmbeddingLookup(features, FullLookup(draw.normal(size=(100_000, 8)).astype(np.float32)))
    ids = draw.integers(0, 1000, (500, 100))
    took_ms = []
    for _ in range(30):
        started = time.perf_counter()
        lookup.lookup(ids)
        took_ms.append((time.perf_counter() - started) * 1000)
    assert np.median(took_ms) < 5  # 0.4 ms where nothing else runs
