"""The benchmark of indexes, on sizes that take no time."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.recipe.indexes import index_spec
from aisle.studies.index_speed import IndexSpeedSettings, measure_index_speed, recall


def test_recall_by_hand() -> None:
    assert recall(np.array([[1, 2], [3, -1]]), np.array([[2, 5], [3, -1]])) == pytest.approx(2 / 3)
    assert recall(np.array([[-1]]), np.array([[-1]])) == 0


@pytest.mark.parametrize("is_clustered", [True, False])
def test_what_it_says_of_each_index(is_clustered: bool) -> None:
    specs = {text: index_spec(text) for text in ("exact", "flat")}
    specs["blind"] = index_spec({"kind": "ivf", "num_lists": 50, "num_probes": 1})
    settings = IndexSpeedSettings(
        num_vectors=2000, dimension=8, num_queries=30, k=5, filter_share=0.2, clustered=is_clustered
    )
    result = measure_index_speed(specs, settings)
    assert result["sizes"] == {"vectors": 2000, "dimension": 8, "queries": 30}
    for name, one in result["kinds"].items():
        for given in ("unfiltered", "filtered"):
            asked = one[given]
            assert 0 < asked["p50_ms"] <= asked["p95_ms"] <= asked["p99_ms"]
            assert asked["queries_per_second"] > 0 and asked["processor_ms"] > 0
            assert asked["recall"] == 1 if name != "blind" else 0 < asked["recall"] <= 1
    assert result["kinds"]["exact"]["memory_bytes"] == 2000 * 8 * 4
    assert result["kinds"]["blind"]["settings"]["num_probes"] == 1
    assert result["kinds"]["blind"]["unfiltered"]["recall"] < (1 if is_clustered else 0.6)
