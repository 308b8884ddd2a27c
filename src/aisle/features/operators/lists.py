"""Lists: the first or last elements, padded where asked or as columns of their own, and the mean of their numbers.

A missing list is an empty one in both executions; missing elements stay where they are, but take no part in a mean.

Legend of shapes: N rows, E elements of all lists together, T places.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.errors import SchemaError
from aisle.features.arrays import Array, Columns, Ragged, as_numbers, ragged
from aisle.features.frames import dtype_of, number, per_element
from aisle.features.operators.base import NUMERIC, RowOperator, dense_column, single, tags
from aisle.recipe.features import ListColumnsSpec, ListMeanSpec, ListSliceSpec
from aisle.schema import Column, ColumnType, Tag


class ListSlice(RowOperator[ListSliceSpec]):
    """At most ``length`` first or last elements; with ``pad`` exactly ``length``, padded on that side."""

    kind = "list_slice"

    def _reads(self) -> list[str]:
        return self.spec.columns

    def _check(self) -> None:
        self._expect(ColumnType, lists=True)
        self._source = single(self.inputs)
        if self.spec.pad is not None:
            _check_padding(self.kind, self._source, self.spec.pad_value)

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


class ListColumns(RowOperator[ListColumnsSpec]):
    """At most ``length`` first or last elements, each as a column, and how many there are.

    The columns ``OUTPUT_1`` to ``OUTPUT_<length>`` hold the elements in their order; those behind the last one hold
    ``pad_value``. ``OUTPUT_length`` counts the elements, at most ``length``.
    """

    kind = "list_columns"

    def _reads(self) -> list[str]:
        return self.spec.columns

    def _check(self) -> None:
        self._expect(ColumnType, lists=True)
        self._source = single(self.inputs)
        _check_padding(self.kind, self._source, self.spec.pad_value)
        spec = ListSliceSpec(kind="list_slice", pad="right", **self.spec.model_dump(exclude={"kind"}))
        self._padded = ListSlice(spec, self.inputs)

    def expressions(self) -> list[pl.Expr]:
        """Offline execution."""
        # Not padded lists taken apart: to pad costs more than all the rest.
        lists = per_element(self._source.name, self._source, lambda value: value)
        num_all = lists.list.len().cast(pl.Int64)
        num_kept = num_all.clip(upper_bound=self.spec.length)
        first = pl.lit(0) if self.spec.keep == "first" else num_all - num_kept
        padding = pl.lit(self.spec.pad_value, dtype=dtype_of(replace(self._source, is_list=False, length=None)))
        columns = [
            pl.when(num_kept > place)
            .then(lists.list.get(first + place, null_on_oob=True))
            .otherwise(padding)
            .alias(name)
            for place, name in enumerate(self._names())
        ]
        return [*columns, num_kept.cast(pl.Float64).alias(f"{self.spec.output}_length")]

    def online(self, columns: Columns) -> dict[str, Array]:
        """Online execution."""
        padded = self._padded.online(columns)[self.spec.output]
        assert isinstance(padded, Ragged), "lists stay lists"
        value_NT = padded.values_E.reshape(len(padded), self.spec.length)
        lengths_N = np.minimum(ragged(columns, self._source.name).lengths_N, self.spec.length)
        found: dict[str, Array] = {name: value_NT[:, place] for place, name in enumerate(self._names())}
        return found | {f"{self.spec.output}_length": lengths_N.astype(np.float64)}

    def output_columns(self) -> list[Column]:
        """A column per place, and the length."""
        source = self._source
        purposes = tags([source], *(source.tags & {Tag.CATEGORICAL, Tag.DENSE}))
        places = [
            Column(name=name, type=source.type, tags=purposes, num_rows=source.num_rows) for name in self._names()
        ]
        return [*places, dense_column(f"{self.spec.output}_length", source)]

    def _names(self) -> list[str]:
        return [f"{self.spec.output}_{place + 1}" for place in range(self.spec.length)]


def _check_padding(kind: str, source: Column, value: int | float | str) -> None:
    fits = {ColumnType.TEXT: str, ColumnType.INTEGER: int}.get(source.type, (int, float))
    is_row = source.num_rows is None or (isinstance(value, int) and 0 <= value < source.num_rows)
    if not (isinstance(value, fits) and is_row):
        below = "" if source.num_rows is None else f" from 0 to {source.num_rows - 1}"
        raise SchemaError(
            f"{kind} of column {source.name!r}: expected pad_value to be of type {source.type.value}{below}, received "
            f"{value!r}"
        )


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
