"""Values to table rows by a stable, seeded hash: 0 padding, 1 missing, then ``num_buckets`` rows; nothing is fitted.

A value keeps its row on every machine and in every version, at the price that values share rows.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.features.arrays import Array, Columns, Ints, Ragged, as_integers, as_text, column
from aisle.features.fitting.hashing import Hashes, hash_integers, hash_series, hash_text
from aisle.features.frames import per_element
from aisle.features.operators.base import CATEGORIES, RowOperator, index_column, key_dtype, single
from aisle.recipe.features import HashBucketSpec
from aisle.schema import Column, ColumnType

MISSING_ROW = 1
FIRST_ROW = 2


class HashBucket(RowOperator[HashBucketSpec]):
    """See the module."""

    kind = "hash_bucket"

    def _reads(self) -> list[str]:
        return self.spec.columns

    def _check(self) -> None:
        self._expect(CATEGORIES, lists=None, remedy="numbers are bucketized first (bucketize), or cast to integers")
        self._source = single(self.inputs)

    def expressions(self) -> list[pl.Expr]:
        """Offline execution."""

        def rows(series: pl.Series) -> pl.Series:
            hashes = hash_series(series, self.spec.seed)
            return pl.Series(series.name, bucket_rows(hashes, series.is_null().to_numpy(), self.spec.num_buckets))

        def expression(value: pl.Expr) -> pl.Expr:
            keys = value.cast(key_dtype(self._source))
            return keys.map_batches(rows, return_dtype=pl.Int64, is_elementwise=True)

        return [per_element(self._source.name, self._source, expression).alias(self.spec.output)]

    def online(self, columns: Columns) -> dict[str, Array]:
        """Online execution."""
        array = column(columns, self._source.name)
        flat = array.values_E if isinstance(array, Ragged) else array
        hashes, missing = hash_array(flat, self._source, self.spec.seed)
        rows = bucket_rows(hashes, missing, self.spec.num_buckets)
        return {self.spec.output: Ragged(rows, array.offsets) if isinstance(array, Ragged) else rows}

    def output_columns(self) -> list[Column]:
        """One index."""
        return [index_column(self.spec.output, self._source, FIRST_ROW + self.spec.num_buckets)]


def bucket_rows(hashes: Hashes, missing: NDArray[np.bool_] | None, num_buckets: int) -> Ints:
    """The table rows of hashes."""
    rows = (hashes % np.uint64(num_buckets)).astype(np.int64) + FIRST_ROW
    if missing is not None:
        rows[missing] = MISSING_ROW
    return rows


def hash_array(array: NDArray[np.generic], source: Column, seed: int) -> tuple[Hashes, NDArray[np.bool_] | None]:
    """The hashes of a request's values, and where they are missing (None: nowhere)."""
    if source.type is not ColumnType.TEXT:
        integers, missing = as_integers(array)
        return hash_integers(integers, seed), missing
    values = as_text(array)
    if None not in values:
        return hash_text(values, seed), None
    return hash_text(values, seed), np.fromiter((value is None for value in values), np.bool_, len(values))
