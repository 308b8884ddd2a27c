"""Splits: known rows, the same however the table is cut into stretches."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisle.data.splits import part_of, split_columns
from aisle.errors import DataError
from aisle.recipe.data import ColumnSplitSpec, FilesSplitSpec, OrderedSplitSpec, RandomSplitSpec, SplitSpec

RANDOM = RandomSplitSpec(kind="random", fractions=[0.5, 0.2, 0.3], seed=3)


def parts(split: SplitSpec, frame: pl.DataFrame, cuts: list[int]) -> list[int]:
    found = part_of(split, lambda: len(frame))
    bounds = [0, *sorted(cuts), len(frame)]
    return [part for start, end in pairwise(bounds) for part in found(start, frame[start:end]).tolist()]


@pytest.mark.parametrize(
    ("num_rows", "fractions", "expected"),
    [
        (10, [0.8, 0.1, 0.1], [8, 1, 1]),
        (7, [0.5, 0.25, 0.25], [3, 2, 2]),
        (120_650, [0.8, 0.1, 0.1], [96520, 12065, 12065]),
    ],
)
def test_in_order_the_first_rows_train_and_the_last_test(
    num_rows: int, fractions: list[float], expected: list[int]
) -> None:
    split = OrderedSplitSpec(kind="ordered", fractions=fractions)
    found = parts(split, pl.DataFrame({"x": np.zeros(num_rows)}), [3])
    assert found == sorted(found)
    assert np.bincount(found).tolist() == expected


def test_random_parts_come_near_their_fractions_and_another_seed_draws_others() -> None:
    frame = pl.DataFrame({"x": np.zeros(20_000)})
    found = parts(RANDOM, frame, [])
    assert np.bincount(found) / 20_000 == pytest.approx([0.5, 0.2, 0.3], abs=0.015)
    other = parts(RANDOM.model_copy(update={"seed": 4}), frame, [])
    # By chance alone two draws agree on .25 + .04 + .09 of all rows.
    assert np.mean(np.array(found) == np.array(other)) == pytest.approx(0.38, abs=0.02)


@given(st.lists(st.integers(0, 50), max_size=5))
@settings(max_examples=30, deadline=None)
def test_the_part_of_a_row_does_not_depend_on_the_stretches(cuts: list[int]) -> None:
    frame = pl.DataFrame({"day": [number % 7 for number in range(50)]})
    for split in (
        RANDOM,
        OrderedSplitSpec(kind="ordered"),
        ColumnSplitSpec(kind="column", column="day", valid=[5], test=[6]),
    ):
        assert parts(split, frame, cuts) == parts(split, frame, [])


@pytest.mark.parametrize(
    ("values", "valid", "test"),
    [
        (pl.Series([1, 5, None, 6, 5], dtype=pl.Int16), [5], [6]),
        (pl.Series(["a", "5", None, "6", "5"]), [5], ["6"]),
        (pl.Series([0.5, 5.0, None, 6.0, 5.0]), [5], [6.0]),
    ],
)
def test_values_of_a_column_choose_the_part_and_a_missing_one_trains(
    values: pl.Series, valid: list[int], test: list[int | str | float]
) -> None:
    split = ColumnSplitSpec(kind="column", column="day", valid=list(valid), test=test)
    assert split_columns(split) == ["day"]
    assert parts(split, values.alias("day").to_frame(), [2]) == [0, 1, 0, 2, 1]


def test_values_of_another_type_than_the_column_are_refused() -> None:
    split = ColumnSplitSpec(kind="column", column="day", valid=["monday"], test=[6])
    with pytest.raises(DataError, match=r"expected values like those of column 'day' \(Int64\), received \['monday'\]"):
        parts(split, pl.DataFrame({"day": [1, 2]}), [])


def test_of_files_all_rows_of_the_first_train() -> None:
    split = FilesSplitSpec(kind="files", valid="a", test="b")
    assert (parts(split, pl.DataFrame({"x": [1, 2]}), []), split_columns(split)) == ([0, 0], [])
