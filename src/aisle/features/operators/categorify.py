"""Values to table rows by frequency: 0 padding, 1 unknown or rare, 2 missing where asked, then the commonest on.

Counts are exact; beyond ``max_keys_in_memory`` different keys they spill to disk. Equal counts stand in the keys'
order, so the rows do not depend on how the data was parted.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.features.arrays import Array, Columns, Ints, Ragged, column
from aisle.features.fitting import KeyLookup, KeyTotals
from aisle.features.frames import per_element
from aisle.features.operators.base import CATEGORIES, FittedOperator, index_column, key_dtype
from aisle.features.operators.contract import State
from aisle.recipe.features import CategorifySpec
from aisle.schema import Column, ColumnType

#: Row 0 is padding.
UNKNOWN_ROW = 1
NULL_ROW = 2


class Vocabulary:
    """Fitted keys as table rows, shared by the operators that number categories.

    Args:
        keys: The keys in the order of their rows.
        null_value: Whether a missing value has row 2 for itself; otherwise it is unknown.
    """

    def __init__(self, keys: pl.Series, null_value: bool) -> None:
        self._keys = keys
        self._lookup = KeyLookup(keys)
        self._first_row = NULL_ROW + int(null_value)
        self._null_row = NULL_ROW if null_value else UNKNOWN_ROW

    @property
    def num_rows(self) -> int:
        """Rows of a table for it."""
        return self._first_row + len(self._keys)

    def expression(self, value: pl.Expr) -> pl.Expr:
        """Offline: the row of each value."""
        if len(self._keys):
            rows = pl.int_range(self._first_row, self.num_rows, eager=True)
            found = value.replace_strict(self._keys, rows, default=UNKNOWN_ROW, return_dtype=pl.Int64)
        else:
            found = value.is_null().cast(pl.Int64) * 0 + UNKNOWN_ROW
        return pl.when(value.is_null()).then(pl.lit(self._null_row, dtype=pl.Int64)).otherwise(found)

    def rows(self, array: NDArray[np.generic]) -> Ints:
        """Online: the row of each value."""
        places, missing = self._lookup.find(array)
        rows = np.where(places >= 0, places + self._first_row, UNKNOWN_ROW)
        if missing is not None:
            rows[missing] = self._null_row
        return rows


def keys_of(partition: pl.DataFrame, source: Column) -> pl.Series:
    """The keys of one partition, elements of lists one by one."""
    series = partition[source.name]
    return (series.explode() if source.is_list else series).cast(key_dtype(source))


class Categorify(FittedOperator[CategorifySpec, KeyTotals]):
    """See the module. Several columns share one vocabulary (``joint``)."""

    kind = "categorify"
    _vocabulary: Vocabulary

    def _reads(self) -> list[str]:
        return self.spec.columns

    def _check(self) -> None:
        remedy = "numbers are bucketized first (bucketize), or cast to integers"
        self._expect(CATEGORIES, lists=None, remedy=remedy)
        if len({key_dtype(source) for source in self.inputs}) > 1:
            self._expect([ColumnType.TEXT], lists=None, remedy="columns with one vocabulary need one type")

    def fit(self, partition: pl.DataFrame) -> KeyTotals:
        """Count the values."""
        keys = pl.concat([keys_of(partition, source).alias("key") for source in self.inputs])
        return KeyTotals.of(keys, None, self.spec.max_keys_in_memory)

    def merge(self, one: KeyTotals, other: KeyTotals) -> KeyTotals:
        """Add the counts."""
        return one.merge(other)

    def _conclude(self, partial: KeyTotals) -> State:
        chosen = partial.commonest(self.spec.min_count, self.spec.max_size)
        return State(frames={"vocabulary": chosen.select("key", "count")})

    def _load(self, state: State) -> None:
        self._vocabulary = Vocabulary(state.frames["vocabulary"]["key"], self.spec.null_value)

    def expressions(self) -> list[pl.Expr]:
        """Offline execution."""
        assert self.state is not None
        return [self._expression(source).alias(self._output(source.name)) for source in self.inputs]

    def online(self, columns: Columns) -> dict[str, Array]:
        """Online execution."""
        assert self.state is not None
        outputs: dict[str, Array] = {}
        for source in self.inputs:
            array = column(columns, source.name)
            if isinstance(array, Ragged):
                outputs[self._output(source.name)] = Ragged(self._vocabulary.rows(array.values_E), array.offsets)
            else:
                outputs[self._output(source.name)] = self._vocabulary.rows(array)
        return outputs

    def output_columns(self) -> list[Column]:
        """One index per input."""
        num_rows = self._vocabulary.num_rows if self.is_fitted else None
        return [index_column(self._output(source.name), source, num_rows) for source in self.inputs]

    def _expression(self, source: Column) -> pl.Expr:
        dtype = key_dtype(source)
        return per_element(source.name, source, lambda value: self._vocabulary.expression(value.cast(dtype)))

    def _output(self, name: str) -> str:
        return self.spec.output.replace("{column}", name)
