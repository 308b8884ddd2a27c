"""Two or more categories as one: hashed into a number of rows, or a vocabulary of the combinations that were seen.

A missing component is a value of its own; a cross is never missing. Online a component of one row (the user's) stands
for all rows. Rows are those of :mod:`hash_bucket` (no row for missing is used) or of :mod:`categorify`.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from aisle.features.arrays import Array, Columns, as_integers, as_text, flat
from aisle.features.fitting import KeyTotals
from aisle.features.fitting.hashing import MISSING_HASH, Hashes, combine, hash_series
from aisle.features.operators.base import CATEGORIES, FittedOperator, key_dtype, tags
from aisle.features.operators.categorify import Vocabulary
from aisle.features.operators.contract import State
from aisle.features.operators.hash_bucket import FIRST_ROW, bucket_rows, hash_array
from aisle.recipe.features import CrossSpec
from aisle.schema import Column, ColumnType, Tag

_MISSING = "-"  # no other component begins so: they begin with their length


class Cross(FittedOperator[CrossSpec, KeyTotals]):
    """See the module. With ``num_buckets`` nothing is fitted."""

    kind = "cross"
    _vocabulary: Vocabulary

    def _stated(self) -> State | None:
        return State() if self.spec.num_buckets is not None else None

    def _reads(self) -> list[str]:
        return self.spec.columns

    def _check(self) -> None:
        self._expect(CATEGORIES, remedy="numbers are bucketized first (bucketize)")

    def fit(self, partition: pl.DataFrame) -> KeyTotals:
        """Count the combinations."""
        keys = partition.select(self._composite()).to_series()
        if self.spec.num_buckets is not None:
            keys = keys.clear()
        return KeyTotals.of(keys, None, self.spec.max_keys_in_memory)

    def merge(self, one: KeyTotals, other: KeyTotals) -> KeyTotals:
        """Add the counts."""
        return one.merge(other)

    def _conclude(self, partial: KeyTotals) -> State:
        chosen = partial.commonest(self.spec.min_count, self.spec.max_size)
        return State(frames={"vocabulary": chosen.select("key", "count")})

    def _load(self, state: State) -> None:
        if self.spec.num_buckets is None:
            self._vocabulary = Vocabulary(state.frames["vocabulary"]["key"], null_value=False)

    def expressions(self) -> list[pl.Expr]:
        """Offline execution."""
        assert self.state is not None
        num_buckets = self.spec.num_buckets
        if num_buckets is None:
            return [self._vocabulary.expression(self._composite()).alias(self.spec.output)]

        def rows(series: pl.Series) -> pl.Series:
            parts = [self._hashed(series.struct.field(source.name)) for source in self.inputs]
            return pl.Series(series.name, bucket_rows(combine(parts), None, num_buckets))

        keys = pl.struct(pl.col(source.name).cast(key_dtype(source)) for source in self.inputs)
        return [keys.map_batches(rows, return_dtype=pl.Int64, is_elementwise=True).alias(self.spec.output)]

    def online(self, columns: Columns) -> dict[str, Array]:
        """Online execution."""
        assert self.state is not None
        if self.spec.num_buckets is None:
            parts = [self._texts(columns, source) for source in self.inputs]
            num_rows = max(map(len, parts)) if all(parts) else 0
            wide = [part * num_rows if len(part) == 1 else part for part in parts]
            keys = np.empty(num_rows, object)
            keys[:] = ["".join(key) for key in zip(*wide, strict=True)]
            return {self.spec.output: self._vocabulary.rows(keys)}
        hashes = [self._hashed_array(columns, source) for source in self.inputs]
        return {self.spec.output: bucket_rows(combine(hashes), None, self.spec.num_buckets)}

    def output_columns(self) -> list[Column]:
        """One index."""
        num_rows = None
        if self.spec.num_buckets is not None:
            num_rows = FIRST_ROW + self.spec.num_buckets
        elif self.is_fitted:
            num_rows = self._vocabulary.num_rows
        purposes = tags(self.inputs, Tag.CATEGORICAL)
        return [Column(name=self.spec.output, type=ColumnType.INTEGER, tags=purposes, num_rows=num_rows)]

    def _composite(self) -> pl.Expr:
        """The components as one text, each after its length in bytes, so that no two combinations are alike."""
        parts = []
        for source in self.inputs:
            value = pl.col(source.name).cast(key_dtype(source)).cast(pl.String)
            length = value.str.len_bytes().cast(pl.String)
            parts.append(pl.concat_str(length, pl.lit(":"), value).fill_null(_MISSING))
        return pl.concat_str(parts)

    def _texts(self, columns: Columns, source: Column) -> list[str]:
        array = flat(columns, source.name)
        if source.type is ColumnType.TEXT:
            values = as_text(array)
        else:
            integers, missing = as_integers(array)
            values = [str(value) for value in integers.tolist()]
            for place in np.flatnonzero(missing) if missing is not None else ():
                values[place] = None
        return [
            _MISSING if value is None else f"{len(value.encode('utf-8', 'surrogatepass'))}:{value}" for value in values
        ]

    def _hashed(self, series: pl.Series) -> Hashes:
        return np.where(series.is_null().to_numpy(), MISSING_HASH, hash_series(series, self.spec.seed))

    def _hashed_array(self, columns: Columns, source: Column) -> Hashes:
        hashes, missing = hash_array(flat(columns, source.name), source, self.spec.seed)
        return hashes if missing is None else np.where(missing, MISSING_HASH, hashes)
