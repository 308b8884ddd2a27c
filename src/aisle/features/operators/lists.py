"""Lists: the first or last elements, padded where asked, and the mean of their numbers.

A missing list is an empty one in both executions; missing elements stay where they are, but take no part in a mean.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.errors import SchemaError
from aisle.features.arrays import Array, Columns, Ragged, as_numbers, ragged
from aisle.features.frames import dtype_of, number, per_element
from aisle.features.operators.base import NUMERIC, RowOperator, dense_column, single, tags
from aisle.recipe.features import ListMeanSpec, ListSliceSpec
from aisle.schema import Column, ColumnType, Tag


class ListSlice(RowOperator[ListSliceSpec]):
    """At most ``length`` first or last elements; with ``pad`` exactly ``length``, padded on that side."""

    kind = "list_slice"

    def _reads(self) -> list[str]:
        return self.spec.columns

    def _check(self) -> None:
        self._expect(ColumnType, lists=True)
        self._source = single(self.inputs)
        value = self.spec.pad_value
        fits = {ColumnType.TEXT: str, ColumnType.INTEGER: int}.get(self._source.type, (int, float))
        num_rows = self._source.num_rows
        is_row = num_rows is None or (isinstance(value, int) and 0 <= value < num_rows)
        if self.spec.pad is not None and not (isinstance(value, fits) and is_row):
            below = "" if num_rows is None else f" from 0 to {num_rows - 1}"
            raise SchemaError(
                f"list_slice of column {self._source.name!r}: expected pad_value to be of type "
                f"{self._source.type.value}{below}, received {value!r}"
            )

    def expressions(self) -> list[pl.Expr]:
        """Offline execution."""
        length = self.spec.length
        lists = per_element(self._source.name, self._source, lambda value: value)
        kept = lists.list.head(length) if self.spec.keep == "first" else lists.list.tail(length)
        if self.spec.pad is not None:
            padding = pl.lit([self.spec.pad_value] * length, dtype=dtype_of(self._source))
            if self.spec.pad == "right":
                kept = pl.concat_list(kept, padding).list.head(length)
            else:
                kept = pl.concat_list(padding, kept).list.tail(length)
        return [kept.alias(self.spec.output)]

    def online(self, columns: Columns) -> dict[str, Array]:
        """Online execution."""
        lists = ragged(columns, self._source.name)
        length, lengths_N = self.spec.length, lists.lengths_N
        kept_N = np.minimum(lengths_N, length)
        first_N = lists.offsets[:-1] if self.spec.keep == "first" else lists.offsets[1:] - kept_N
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept_N)])
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], kept_N)
        values = lists.values_E[np.repeat(first_N, kept_N) + within]
        if self.spec.pad is None:
            return {self.spec.output: Ragged(values, offsets)}
        padded: NDArray[np.generic] = np.full(len(lists) * length, self.spec.pad_value, values.dtype)
        shift_N = np.arange(len(lists)) * length + (length - kept_N if self.spec.pad == "left" else 0)
        padded[np.repeat(shift_N, kept_N) + within] = values
        return {self.spec.output: Ragged(padded, np.arange(len(lists) + 1, dtype=np.int64) * length)}

    def output_columns(self) -> list[Column]:
        """One list."""
        purposes = tags([self._source], Tag.SEQUENCE, *(self._source.tags & {Tag.CATEGORICAL, Tag.DENSE}))
        return [
            Column(
                name=self.spec.output,
                type=self._source.type,
                tags=purposes,
                is_list=True,
                num_rows=self._source.num_rows,
                length=self.spec.length if self.spec.pad is not None else None,
            )
        ]


class ListMean(RowOperator[ListMeanSpec]):
    """The mean of the numbers that are there; missing where there are none."""

    kind = "list_mean"

    def _reads(self) -> list[str]:
        return self.spec.columns

    def _check(self) -> None:
        self._expect(NUMERIC, lists=True)
        self._source = single(self.inputs)

    def expressions(self) -> list[pl.Expr]:
        """Offline execution."""
        numbers = per_element(self._source.name, self._source, lambda value: number(value).drop_nulls())
        return [numbers.list.mean().fill_nan(None).alias(self.spec.output)]

    def online(self, columns: Columns) -> dict[str, Array]:
        """Online execution."""
        lists = ragged(columns, self._source.name)
        values = as_numbers(lists.values_E)
        there = ~np.isnan(values)
        row_E = np.repeat(np.arange(len(lists)), lists.lengths_N)[there]
        counts = np.bincount(row_E, minlength=len(lists))
        with np.errstate(invalid="ignore", divide="ignore"):
            sums = np.bincount(row_E, weights=values[there], minlength=len(lists))
            return {self.spec.output: sums / counts}

    def output_columns(self) -> list[Column]:
        """One number."""
        return [dense_column(self.spec.output, self._source)]
