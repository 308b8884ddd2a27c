"""Which rows of a table train, validate and test: decided stretch by stretch, so that no table need be in memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.errors import DataError
from aisle.recipe.data import ColumnSplitSpec, FilesSplitSpec, OrderedSplitSpec, RandomSplitSpec, SplitSpec

TRAIN: Final = 0
VALID: Final = 1
TEST: Final = 2

#: Gives the part of each row of a stretch: of its first row's number in the table, and its columns.
PartOf = Callable[[int, pl.DataFrame], NDArray[np.int8]]


def split_columns(split: SplitSpec) -> list[str]:
    """The columns that the split reads."""
    return [split.column] if isinstance(split, ColumnSplitSpec) else []


def part_of(split: SplitSpec, num_rows: Callable[[], int]) -> PartOf:
    """How rows are split.

    Args:
        split: The configuration.
        num_rows: Counts the table's rows; called only where the split depends on it.
    """
    if isinstance(split, FilesSplitSpec):
        return everything(TRAIN)
    if isinstance(split, OrderedSplitSpec):
        return _ordered(split, num_rows())
    if isinstance(split, RandomSplitSpec):
        return _random(split)
    return _by_column(split)


def everything(part: int) -> PartOf:
    """All rows belong to one part."""
    return lambda first, frame: np.full(len(frame), part, np.int8)


def _ordered(split: OrderedSplitSpec, num_rows: int) -> PartOf:
    train, valid, _ = split.fractions
    # Fractions are decimals: .8 + .1 is meant to be .9, and .9 of ten rows is nine.
    bounds = [math.floor(num_rows * share + 1e-6) for share in (train, train + valid)]

    def parts(first: int, frame: pl.DataFrame) -> NDArray[np.int8]:
        return np.searchsorted(bounds, np.arange(first, first + len(frame)), side="right").astype(np.int8)

    return parts


def _random(split: RandomSplitSpec) -> PartOf:
    train, valid, _ = split.fractions

    def parts(first: int, frame: pl.DataFrame) -> NDArray[np.int8]:
        # One number per row, wherever a stretch begins.
        draw = np.random.Generator(np.random.PCG64(split.seed).advance(first))
        return np.searchsorted([train, train + valid], draw.random(len(frame)), side="right").astype(np.int8)

    return parts


def _by_column(split: ColumnSplitSpec) -> PartOf:
    def parts(first: int, frame: pl.DataFrame) -> NDArray[np.int8]:
        del first
        column = frame[split.column]
        found = np.zeros(len(column), np.int8)
        for part, values in ((VALID, split.valid), (TEST, split.test)):
            found[_among(column, values)] = part
        return found

    return parts


def _among(column: pl.Series, values: list[int | float | str | bool]) -> NDArray[np.bool_]:
    plain = [str(value) for value in values] if column.dtype == pl.String else values
    try:
        wanted = pl.Series(plain, dtype=column.dtype, strict=True)
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"data.split: expected values like those of column {column.name!r} ({column.dtype}), received {values}"
        ) from error
    return column.is_in(wanted.implode()).fill_null(False).to_numpy()
