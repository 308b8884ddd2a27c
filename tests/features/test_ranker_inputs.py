"""A ranker's inputs: edges, standardized numbers and rows worked by hand; what does not vary; bundles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.errors import BundleError, DataError
from aisle.features.ranker_inputs import INPUTS_FILE, RankerInputs

NAMES = ["rare", "same", "even"]
#: Six of ten are 0 in the first column; the second is constant; the third has each value once.
COLUMNS = ([0, 0, 0, 0, 0, 0, 1, 2, 3, 4], [7] * 10, list(range(10)))
FEATURES_RF = np.array(COLUMNS, np.float32).T


def fitted(num_buckets: int = 5) -> RankerInputs:
    return RankerInputs.fit(FEATURES_RF, NAMES, num_buckets=num_buckets, id_sizes={"item": 9, "brand": 3})


def encoded(inputs: RankerInputs, *rows: list[float]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    ids = {"item": np.full(len(rows), 8), "brand": np.full(len(rows), 1)}
    return inputs.encode(np.array(rows, np.float32), ids)


def test_edges_are_quantiles_and_a_heavy_value_has_its_own_bucket() -> None:
    rare, even = fitted().edges
    # Fifths of the sorted rows begin at rows 1, 3, 5 and 7: three times 0, which is also the least, then 2.
    assert rare.tolist() == [np.nextafter(np.float32(0), np.float32(1)), 2.0]
    assert even.tolist() == [1.0, 3.0, 5.0, 7.0]


def test_a_constant_feature_is_left_out() -> None:
    inputs = fitted()
    assert inputs.dense_names == ["rare", "even"]
    assert inputs.table_sizes == {"rare": 5, "even": 7, "item": 9, "brand": 3}
    assert list(inputs.table_sizes) == ["rare", "even", "item", "brand"], "the order of the columns"


def test_values_are_standardized_bucketed_and_ids_passed_on() -> None:
    dense, sparse = encoded(fitted(), [0, 7, 0], [1, 7, 3], [2, 0, 4.5], [-5, 7, 9], [100, 7, 4.5])
    deviation = np.sqrt(8.25)  # of 0 to 9, whose mean is 4.5
    assert dense[:, 1] == pytest.approx([-4.5 / deviation, -1.5 / deviation, 0, 4.5 / deviation, 0])
    assert dense[4, 0] == 4.0, "held within 4 deviations"
    # Rows 0 and 1 are padding and unknown; an edge begins its bucket.
    assert sparse[:, 0].tolist() == [2, 3, 4, 2, 4]
    assert sparse[:, 1].tolist() == [2, 4, 4, 6, 4]
    assert sparse[:, 2:].tolist() == [[8, 1]] * 5
    assert (dense.dtype, sparse.dtype) == (np.float32, np.int64)


def test_a_sparse_row_is_the_bucket_behind_the_reserved_rows() -> None:
    inputs = fitted()
    _, sparse = encoded(inputs, *FEATURES_RF.tolist())
    assert np.array_equal(inputs.buckets(FEATURES_RF) + 2, sparse[:, :2])
    assert (sparse[:, :2].max(axis=0) + 1 <= [inputs.table_sizes["rare"], inputs.table_sizes["even"]]).all()


def test_candidates_that_differ_in_nothing_are_refused() -> None:
    with pytest.raises(DataError, match="expected candidates that differ in something, received none that do"):
        RankerInputs.fit(np.ones((4, 3), np.float32), NAMES, num_buckets=4, id_sizes={})


def test_saved_and_loaded_it_encodes_the_same(tmp_path: Path) -> None:
    inputs = fitted(3)
    with BundleWriter(tmp_path / "bundle") as writer:
        inputs.save(writer)
    loaded = RankerInputs.load(Bundle.open(tmp_path / "bundle"))
    assert loaded.table_sizes == inputs.table_sizes and loaded.names == inputs.names
    for ours, theirs in zip(
        encoded(inputs, *FEATURES_RF.tolist()), encoded(loaded, *FEATURES_RF.tolist()), strict=True
    ):
        assert np.array_equal(ours, theirs)


def test_a_bundle_without_a_part_is_refused(tmp_path: Path) -> None:
    with BundleWriter(tmp_path / "bundle") as writer:
        writer.write_json(INPUTS_FILE, {"names": NAMES, "id_sizes": {}})
        writer.write_arrays(INPUTS_FILE, {"means": np.zeros(1)})
    with pytest.raises(BundleError, match="expected 'columns'; train again with this version"):
        RankerInputs.load(Bundle.open(tmp_path / "bundle"))
