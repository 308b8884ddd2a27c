"""Labels of items: categories, and intervals of numbers, in the order of item rows.

Legend of shapes: V items, L labels, P pairs of an item and a label.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from aisle.data.item_texts import read_item_rows
from aisle.errors import DataError
from aisle.recipe.list_data import ItemTableSpec

#: A label of one item says no more than the item does.
_LEAST_ITEMS = 2


@dataclass(frozen=True)
class ItemLabels:
    """Which labels each item bears.

    Attributes:
        weights_VL: The labels that an item has from one column share 1.
        names: The column and value of each label, as ``genre:drama`` or ``price:3``.
    """

    weights_VL: sparse.csr_matrix
    names: tuple[str, ...]


def read_item_labels(spec: ItemTableSpec, item_ids: pl.Series) -> ItemLabels:
    """The labels of items; those of one item alone are left out.

    Args:
        spec: Which file and columns.
        item_ids: The id of each item row.

    Raises:
        DataError: the file is missing, lacks a column, has an item twice or none of the items, a column is of another
            kind than told, or no label is left.
    """
    rows = read_item_rows(spec, [*spec.categories, *spec.numbers], item_ids)
    parts = [_categories(rows[name], spec.separator) for name in spec.categories]
    parts += [_intervals(rows[name], spec) for name in spec.numbers]
    blocks, names = [], []
    for pairs in parts:
        values = pairs["label"].unique().sort()
        column_P = values.search_sorted(pairs["label"]).to_numpy()
        shares_P = 1 / np.bincount(pairs["row"], minlength=len(rows))[pairs["row"].to_numpy()]
        shape = (len(rows), len(values))
        blocks.append(sparse.csr_matrix((shares_P.astype(np.float32), (pairs["row"].to_numpy(), column_P)), shape))
        names += values.to_list()
    if not names:
        raise DataError(
            f"{spec.file}: expected labels that {_LEAST_ITEMS} items or more bear in "
            f"{', '.join([*spec.categories, *spec.numbers])}, received none"
        )
    return ItemLabels(sparse.hstack(blocks, format="csr"), tuple(names))


def _categories(column: pl.Series, separator: str | None) -> pl.DataFrame:
    """The pairs ``row`` and ``label`` of a column."""
    if separator is not None and column.dtype == pl.String:
        column = column.str.split(separator)
    pairs = pl.DataFrame({"row": np.arange(len(column)), "label": column})
    if isinstance(column.dtype, pl.List | pl.Array):
        pairs = pairs.explode("label")
    return _shared(pairs, column.name)


def _intervals(column: pl.Series, spec: ItemTableSpec) -> pl.DataFrame:
    if not column.dtype.is_numeric():
        raise DataError(
            f"{spec.file}: expected numbers in the column {column.name}, received {column.dtype}; name it in categories"
        )
    values: NDArray[np.float64] = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    finite = np.isfinite(values)
    shares = np.arange(1, spec.intervals) / spec.intervals
    edges = np.unique(np.quantile(values[finite], shares)) if finite.any() else np.zeros(0)
    interval = np.searchsorted(edges, values[finite], side="right")
    return _shared(pl.DataFrame({"row": np.flatnonzero(finite), "label": interval}), column.name)


def _shared(pairs: pl.DataFrame, name: str) -> pl.DataFrame:
    named = pl.lit(f"{name}:") + pl.col("label").cast(pl.String)
    pairs = pairs.drop_nulls().select("row", label=named).unique(maintain_order=True)
    return pairs.filter(pl.len().over("label") >= _LEAST_ITEMS)
